"""Make a small trace by computing ELECTRA a second time.

    python tests/make_trace.py tests/data_files/trace.npz

A float64 version of google-research/electra in a few functions of PyTorch,
written from its source and sharing no code with keras_rtd. It records what
the reference's own traces record (`Trace` in replay_reference.py), with options
that those leave alone: both encoders project their embeddings, the generator
has half the layers, a temperature, `disallow_correct`, more masks.
"""

import json
import math
import sys

import numpy as np
import torch

CONFIG = {
    "model_size": "small",
    "embedding_size": 16,
    "generator_hidden_size": 0.5,
    "generator_layers": 0.5,
    "model_hparam_overrides": {
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "max_position_embeddings": 20,
    },
    "vocab_size": 150,
    "max_seq_length": 16,
    "mask_prob": 0.25,
    "temperature": 0.7,
    "disallow_correct": True,
    "gen_weight": 0.8,
    "disc_weight": 40.0,
    "learning_rate": 2e-3,
    "num_train_steps": 30,
    "num_warmup_steps": 3,
    "weight_decay_rate": None,
}
STEPS, ROWS, LENGTH = 4, 4, 16
SLOTS = int((CONFIG["mask_prob"] + 0.005) * LENGTH)
CLS, SEP, MASK = 1, 2, 3


def initial_weights(
    rng, towers=("generator",), predictions="generator_predictions"
):
    """float32 weights, large enough that every layer matters."""
    size = CONFIG["model_hparam_overrides"]
    hidden, embedding = size["hidden_size"], CONFIG["embedding_size"]
    weights = {}

    def tensor(name, *shape, scale=0.3, shift=0.0):
        weights[name] = (rng.normal(size=shape) * scale + shift).astype("f4")

    def dense(name, inputs, outputs):
        tensor(f"{name}/kernel", inputs, outputs)
        tensor(f"{name}/bias", outputs, scale=0.1)

    def norm(name, width):
        tensor(f"{name}/beta", width, scale=0.1)
        tensor(f"{name}/gamma", width, scale=0.1, shift=1.0)

    def encoder(scope, width, layers, inner):
        if width != embedding:
            dense(f"{scope}/embeddings_project", embedding, width)
        for i in range(layers):
            layer = f"{scope}/encoder/layer_{i}"
            for part in ("query", "key", "value"):
                dense(f"{layer}/attention/self/{part}", width, width)
            dense(f"{layer}/attention/output/dense", width, width)
            norm(f"{layer}/attention/output/LayerNorm", width)
            dense(f"{layer}/intermediate/dense", width, inner)
            dense(f"{layer}/output/dense", inner, width)
            norm(f"{layer}/output/LayerNorm", width)

    scope = "electra/embeddings"
    tensor(f"{scope}/word_embeddings", CONFIG["vocab_size"], embedding)
    tensor(f"{scope}/token_type_embeddings", 2, embedding)
    positions = size["max_position_embeddings"]
    tensor(f"{scope}/position_embeddings", positions, embedding)
    norm(f"{scope}/LayerNorm", embedding)
    width = round(hidden * CONFIG["generator_hidden_size"])
    layers = round(size["num_hidden_layers"] * CONFIG["generator_layers"])
    for tower in towers:
        encoder(tower, width, layers, 4 * width)
    dense(f"{predictions}/dense", len(towers) * width, embedding)
    norm(f"{predictions}/LayerNorm", embedding)
    tensor(f"{predictions}/output_bias", CONFIG["vocab_size"])
    encoder(
        "electra",
        hidden,
        size["num_hidden_layers"],
        size["intermediate_size"],
    )
    dense("discriminator_predictions/dense", hidden, hidden)
    dense("discriminator_predictions/dense_1", hidden, 1)
    return weights


class Network:
    """The reference's two networks as functions of a dict of weights."""

    def __init__(self, weights):
        self.w = weights

    def dense(self, name, x):
        return x @ self.w[f"{name}/kernel"] + self.w[f"{name}/bias"]

    def norm(self, name, x):
        x = x - x.mean(-1, keepdim=True)
        x = x / torch.sqrt((x**2).mean(-1, keepdim=True) + 1e-12)
        return x * self.w[f"{name}/gamma"] + self.w[f"{name}/beta"]

    def encode(self, scope, ids, segments, mask, heads):
        table = "electra/embeddings"
        x = self.w[f"{table}/word_embeddings"][ids]
        x = x + self.w[f"{table}/token_type_embeddings"][segments]
        x = x + self.w[f"{table}/position_embeddings"][: ids.shape[1]]
        x = self.norm(f"{table}/LayerNorm", x)
        if f"{scope}/embeddings_project/kernel" in self.w:
            x = self.dense(f"{scope}/embeddings_project", x)
        layer = 0
        while f"{scope}/encoder/layer_{layer}/output/dense/bias" in self.w:
            name = f"{scope}/encoder/layer_{layer}"
            attended = self.attend(f"{name}/attention/self", x, mask, heads)
            attended = self.dense(f"{name}/attention/output/dense", attended)
            x = self.norm(f"{name}/attention/output/LayerNorm", x + attended)
            inner = gelu(self.dense(f"{name}/intermediate/dense", x))
            inner = self.dense(f"{name}/output/dense", inner)
            x = self.norm(f"{name}/output/LayerNorm", x + inner)
            layer += 1
        return x

    def attend(self, name, x, mask, heads):
        rows, length, width = x.shape

        def split(part):
            y = self.dense(f"{name}/{part}", x)
            return y.reshape(rows, length, heads, -1).transpose(1, 2)

        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(-1, -2) / math.sqrt(width // heads)
        if mask.dim() == 2:
            scores = scores - 10000.0 * (1 - mask)[:, None, None, :]
        else:
            # Of each query and key. A query may see no key, as the right
            # tower's after the last word; what then decides is the scores as
            # float32, the reference's, rounds them beside 10,000.
            scores = scores.float() - 10000.0 * (1 - mask).float()[:, None]
            scores = scores.double()
        out = torch.softmax(scores, -1) @ value
        return out.transpose(1, 2).reshape(rows, length, width)

    def generator_logits(self, batch):
        x = self.encode(
            "generator", batch["masked_token_ids"], *context(batch), heads=1
        )
        at = torch.arange(len(x))[:, None]
        return self.token_logits(
            "generator_predictions", x[at, batch["mask_positions"]]
        )

    def token_logits(self, name, x):
        x = self.norm(f"{name}/LayerNorm", gelu(self.dense(f"{name}/dense", x)))
        x = x @ self.w["electra/embeddings/word_embeddings"].T
        return x + self.w[f"{name}/output_bias"]

    def labels(self, batch):
        replaced = batch["corrupted_token_ids"] != batch["token_ids"]
        return replaced.astype(np.int64)

    def discriminator_logits(self, batch):
        heads = CONFIG["model_hparam_overrides"]["num_attention_heads"]
        x = self.encode(
            "electra",
            batch["corrupted_token_ids"],
            *context(batch),
            heads=heads,
        )
        x = gelu(self.dense("discriminator_predictions/dense", x))
        return self.dense("discriminator_predictions/dense_1", x)[..., 0]


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def context(batch):
    return batch["segment_ids"], batch["padding_mask"].double()


def masked_batch(rng):
    """Text and masks: positions with replacement, 85% of them [MASK]."""
    lengths = rng.integers(LENGTH // 2, LENGTH + 1, ROWS)
    columns = np.arange(LENGTH)
    real = columns < lengths[:, None]
    ids = rng.integers(4, CONFIG["vocab_size"], (ROWS, LENGTH)) * real
    ids[:, 0] = CLS
    ids[np.arange(ROWS), lengths - 1] = SEP
    wanted = np.clip(np.round(lengths * CONFIG["mask_prob"]), 1, SLOTS)
    weights = (np.arange(SLOTS) < wanted[:, None]).astype(np.int64)
    positions = np.stack([rng.integers(1, n - 1, SLOTS) for n in lengths])
    positions *= weights
    masked = ids.copy()
    for row, slot in zip(*np.nonzero(weights)):
        if rng.random() < 0.85:
            masked[row, positions[row, slot]] = MASK
    return {
        "token_ids": ids,
        "padding_mask": real.astype(np.int64),
        "segment_ids": (columns >= lengths[:, None] // 2) * real.astype(int),
        "masked_token_ids": masked,
        "mask_positions": positions,
        "mask_ids": np.take_along_axis(ids, positions, 1) * weights,
        "mask_weights": weights,
    }


def corrupt(batch, logits, rng):
    """Sample the replacements; a position sampled twice gets the average id."""
    logits = logits / CONFIG["temperature"]
    np.put_along_axis(
        logits,
        batch["mask_ids"][..., None],
        np.take_along_axis(logits, batch["mask_ids"][..., None], 2) - 1000,
        2,
    )
    sampled = np.argmax(logits + rng.gumbel(size=logits.shape), -1)
    corrupted = batch["token_ids"].copy()
    for row in range(ROWS):
        used = batch["mask_weights"][row] > 0
        for position in set(batch["mask_positions"][row][used].tolist()):
            here = (batch["mask_positions"][row] == position) & used
            corrupted[row, position] = sampled[row][here].sum() // here.sum()
    batch["sampled_ids"] = sampled
    batch["corrupted_token_ids"] = corrupted


def losses(network, batch):
    """(generator's, discriminator's, total, logits, probabilities)."""
    logits = network.generator_logits(batch)
    nll = -torch.log_softmax(logits, -1).gather(
        -1, batch["mask_ids"][..., None]
    )
    weights = batch["mask_weights"].double()
    generator = (nll[..., 0] * weights).sum() / (weights.sum() + 1e-6)
    detection = network.discriminator_logits(batch)
    discriminator = detection_loss(network, batch, detection)
    total = (
        CONFIG["gen_weight"] * generator + CONFIG["disc_weight"] * discriminator
    )
    return generator, discriminator, total, logits, torch.sigmoid(detection)


def detection_loss(network, batch, logits):
    """Binary cross-entropy of real tokens."""
    labels = torch.tensor(
        network.labels({name: t.numpy() for name, t in batch.items()})
    )
    bce = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, labels.double(), reduction="none"
    )
    real = batch["padding_mask"].double()
    return (bce * real).sum() / (real.sum() + 1e-6)


def record(path, config, rng, initial, network, losses):
    """Train for some steps and write the trace.

    Args:
        path: string. The file to write.
        config: dict, the reference's options.
        rng: `numpy.random.Generator` of text, masks and samples.
        initial: dict of float32 weights.
        network: class of the networks, made of a dict of weights.
        losses: function of (network, batch), see `losses`.
    """
    weights = {
        name: torch.tensor(a, dtype=torch.float64, requires_grad=True)
        for name, a in initial.items()
    }
    networks = network(weights)
    moments = {n: (torch.zeros_like(w),) * 2 for n, w in weights.items()}
    trace = {f"before/{name}": array for name, array in initial.items()}
    trace["config_json"] = np.array(json.dumps(config))
    for step in range(STEPS):
        batch = masked_batch(rng)
        tensors = {name: torch.tensor(a) for name, a in batch.items()}
        logits = networks.generator_logits(tensors)
        corrupt(batch, logits.detach().numpy(), rng)
        tensors = {name: torch.tensor(a) for name, a in batch.items()}
        generator, discriminator, total, logits, probs = losses(
            networks, tensors
        )
        gradients = dict(
            zip(weights, torch.autograd.grad(total, list(weights.values())))
        )
        batch["is_replaced"] = networks.labels(batch)
        done = (step + 1) / CONFIG["num_train_steps"]
        rate = CONFIG["learning_rate"] * (1 - done)
        rate *= min(1.0, (step + 1) / CONFIG["num_warmup_steps"])
        record = {
            **batch,
            "discriminator_probs": probs.detach().numpy(),
            "generator_loss": generator.item(),
            "discriminator_loss": discriminator.item(),
            "total_loss": total.item(),
            "learning_rate": rate,
        }
        if step == 0:
            record["generator_logits"] = logits.detach().numpy()
            for name, gradient in gradients.items():
                trace[f"grad0/{name}"] = gradient.numpy()
        for name, array in record.items():
            trace[f"step{step}/{name}"] = np.asarray(array)
        update(weights, moments, gradients, rate)
    for name, weight in weights.items():
        trace[f"after/{name}"] = weight.detach().numpy()
    np.savez_compressed(path, **{n: narrow(n, a) for n, a in trace.items()})


def update(weights, moments, gradients, rate):
    """One step of the reference's optimiser, in place."""
    norm = math.sqrt(sum((g**2).sum().item() for g in gradients.values()))
    for name, weight in weights.items():
        gradient = gradients[name] / max(norm, 1.0)
        m, v = moments[name]
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        moments[name] = (m, v)
        step = m / (torch.sqrt(v) + 1e-6)
        if "LayerNorm" not in name and "bias" not in name:
            # The reference's default, where the options leave it out.
            decay = CONFIG["weight_decay_rate"] or 0.01
            step = step + decay * weight.detach()
        with torch.no_grad():
            weight -= rate * step


def narrow(name, array):
    """As the reference's traces: float32 and int32."""
    if name.endswith("mask_weights") or array.dtype.kind == "f":
        return array.astype(np.float32)
    return array.astype(np.int32) if array.dtype.kind == "i" else array


def main(path):
    rng = np.random.default_rng(7)
    record(path, CONFIG, rng, initial_weights(rng), Network, losses)


if __name__ == "__main__":
    main(sys.argv[1])
