"""Make tests/data_files/deberta_trace.npz, a trace of DeBERTaV3's training.

    python tests/make_deberta_trace.py

A plain computation of what microsoft/DeBERTa does in decoupled training, in
float64 with PyTorch's autograd; it shares no code with the package. Unlike
../shared/reference/deberta_small.npz it has no warmup, so that the first
discriminator loss is of updated tables; no `max_relative_positions`; zero as
first delta; another clip, lambda and number of buckets.
"""

import json
import math
import pathlib

import numpy as np
import torch

OUTPUT = pathlib.Path(__file__).parent / "data_files" / "deberta_trace.npz"
MASK, PAD, CLS, SEP = 88, 0, 1, 2
STEPS, ROWS, LENGTH, RATE = 4, 3, 18, 2e-3
NETWORK = {
    "hidden_size": 24,
    "num_attention_heads": 3,
    "attention_head_size": 8,
    "intermediate_size": 40,
    "max_position_embeddings": 18,
    "position_buckets": 6,
    "max_relative_positions": -1,
    "relative_attention": True,
    "position_biased_input": False,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "layer_norm_eps": 1e-7,
    "initializer_range": 0.3,
    "type_vocab_size": 0,
    "vocab_size": 90,
}
CONFIG = {
    "mask_id": MASK,
    "rtd_lambda": 20,
    "weight_decay": 0.2,
    "max_grad_norm": 3.0,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "epsilon": 1e-6,
    "embedding_sharing": "gdes",
    "model_config": {
        "embedding_sharing": "gdes",
        "generator": {**NETWORK, "num_hidden_layers": 2},
        "discriminator": {**NETWORK, "num_hidden_layers": 3},
    },
}
WIDTH, HEADS = NETWORK["hidden_size"], NETWORK["num_attention_heads"]
SIZE = NETWORK["attention_head_size"]
INNER, VOCABULARY = NETWORK["intermediate_size"], NETWORK["vocab_size"]
BUCKETS, LONGEST = NETWORK["position_buckets"], LENGTH


def parameters(rng):
    """dict of NET/NAME to arrays, float32."""

    def linear(name, out, into):
        return {
            f"{name}.weight": rng.normal(0, 0.3, (out, into)),
            f"{name}.bias": rng.normal(0, 0.1, out),
        }

    def norm(name):
        return {
            f"{name}.weight": rng.normal(1, 0.1, WIDTH),
            f"{name}.bias": rng.normal(0, 0.1, WIDTH),
        }

    def encoder(layers, words, positions):
        found = {words: rng.normal(0, 0.3, (VOCABULARY, WIDTH))}
        found[positions] = rng.normal(0, 0.3, (LENGTH, WIDTH))
        found |= norm("embeddings.LayerNorm") | norm("encoder.LayerNorm")
        rows = (2 * BUCKETS, WIDTH)
        found["encoder.rel_embeddings.weight"] = rng.normal(0, 0.3, rows)
        for i in range(layers):
            at = f"encoder.layer.{i}"
            for part in ("query", "key", "value"):
                scope = f"{at}.attention.self.{part}_proj"
                found |= linear(scope, WIDTH, WIDTH)
            found |= linear(f"{at}.attention.output.dense", WIDTH, WIDTH)
            found |= norm(f"{at}.attention.output.LayerNorm")
            found |= linear(f"{at}.intermediate.dense", INNER, WIDTH)
            found |= linear(f"{at}.output.dense", WIDTH, INNER)
            found |= norm(f"{at}.output.LayerNorm")
        return {f"deberta.{name}": array for name, array in found.items()}

    words, positions = (
        f"embeddings.{kind}_embeddings" for kind in ("word", "position")
    )
    generator = {
        **encoder(2, f"{words}.weight", f"{positions}.weight"),
        **linear("lm_predictions.lm_head.dense", WIDTH, WIDTH),
        **norm("lm_predictions.lm_head.LayerNorm"),
        "lm_predictions.lm_head.bias": rng.normal(0, 0.1, VOCABULARY),
    }
    discriminator = {
        **encoder(3, f"{words}._weight", f"{positions}._weight"),
        **linear("mask_predictions.dense", WIDTH, WIDTH),
        **norm("mask_predictions.LayerNorm"),
        **linear("mask_predictions.classifier", 1, WIDTH),
    }
    for kind in (words, positions):
        discriminator[f"deberta.{kind}._weight"] *= 0.0
    networks = {"generator": generator, "discriminator": discriminator}
    return {
        f"{network}/{name}": np.float32(array)
        for network, arrays in networks.items()
        for name, array in arrays.items()
    }


def bucket(distance):
    distance = max(-(LONGEST - 1), min(LONGEST - 1, distance))
    half = BUCKETS // 2
    if abs(distance) <= half:
        return distance
    share = math.log(abs(distance) / half) / math.log((LONGEST - 1) / half)
    # To no float's whim at the last distance.
    far = half + math.ceil(round(share * (half - 1), 9))
    return far if distance > 0 else -far


class Network:
    """The computation of one network with these weights."""

    def __init__(self, weights, layers):
        self.weights, self.layers = weights, layers

    def linear(self, name, x):
        w = self.weights
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(self, name, x):
        w = self.weights
        x = x - x.mean(-1, keepdim=True)
        x = x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-7)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def heads(self, x):
        return x.reshape(*x.shape[:-1], HEADS, SIZE).transpose(-3, -2)

    def layer(self, i, x, query, real):
        at = f"deberta.encoder.layer.{i}"
        table = self.norm(
            "deberta.encoder.LayerNorm",
            self.weights["deberta.encoder.rel_embeddings.weight"],
        )

        def projected(part, x):
            return self.heads(self.linear(f"{at}.attention.self.{part}", x))

        q, k = projected("query_proj", query), projected("key_proj", x)
        qr, kr = projected("query_proj", table), projected("key_proj", table)
        place = [
            [bucket(i - j) + BUCKETS for j in range(LENGTH)]
            for i in range(LENGTH)
        ]
        place = torch.tensor(place).clip(0, 2 * BUCKETS - 1)
        scores = q @ k.transpose(-1, -2)
        scores = scores + torch.einsum("bhid,hijd->bhij", q, kr[:, place])
        scores = scores + torch.einsum("hijd,bhjd->bhij", qr[:, place], k)
        scores = scores / math.sqrt(3 * SIZE)
        scores = scores.masked_fill(~real[:, None, None], -1e30)
        mixed = torch.softmax(scores, -1) @ projected("value_proj", x)
        mixed = mixed.transpose(1, 2).reshape(query.shape)
        y = self.linear(f"{at}.attention.output.dense", mixed)
        y = self.norm(f"{at}.attention.output.LayerNorm", y + query)
        inner = torch.nn.functional.gelu(
            self.linear(f"{at}.intermediate.dense", y)
        )
        z = self.linear(f"{at}.output.dense", inner)
        return self.norm(f"{at}.output.LayerNorm", z + y)

    def embed(self, table, ids, real):
        x = torch.nn.functional.embedding(ids, table, padding_idx=PAD)
        x = self.norm("deberta.embeddings.LayerNorm", x)
        return x * real[..., None]


def generator_logits(w, batch):
    """(batch, count, vocabulary)."""
    network, real = Network(w, 2), batch["padding_mask"] > 0
    table = w["deberta.embeddings.word_embeddings.weight"]
    x = network.embed(table, batch["masked_token_ids"], real)
    x = network.layer(0, x, x, real)
    query = x + w["deberta.embeddings.position_embeddings.weight"]
    for _ in range(2):
        query = network.layer(1, x, query, real)
    rows = torch.arange(ROWS)[:, None]
    scope = "lm_predictions.lm_head"
    y = network.linear(f"{scope}.dense", query[rows, batch["mask_positions"]])
    y = network.norm(f"{scope}.LayerNorm", torch.nn.functional.gelu(y))
    return y @ table.T + w[f"{scope}.bias"]


def discriminator_logits(w, table, batch):
    """(batch, length)."""
    network, real = Network(w, 3), batch["padding_mask"] > 0
    table = table.detach() + w["deberta.embeddings.word_embeddings._weight"]
    x = network.embed(table, batch["corrupted_token_ids"], real)
    for i in range(3):
        x = network.layer(i, x, x, real)
    x = network.norm("mask_predictions.LayerNorm", x + x[:, :1])
    x = torch.nn.functional.gelu(network.linear("mask_predictions.dense", x))
    return network.linear("mask_predictions.classifier", x)[..., 0]


def random_batch(rng):
    lengths = np.array([LENGTH, 11, 15])
    real = np.arange(LENGTH) < lengths[:, None]
    ids = np.where(real, rng.integers(4, MASK, (ROWS, LENGTH)), PAD)
    ids[:, 0] = CLS
    ids[np.arange(ROWS), lengths - 1] = SEP
    count, masked = 4, ids.copy()
    arrays = {
        name: np.zeros((ROWS, count), int)
        for name in ("mask_positions", "mask_ids", "mask_weights")
    }
    for row, length in enumerate(lengths):
        chosen = rng.choice(np.arange(1, length - 1), count - (row == 1), False)
        chosen.sort()
        arrays["mask_positions"][row, : len(chosen)] = chosen
        arrays["mask_ids"][row, : len(chosen)] = ids[row, chosen]
        arrays["mask_weights"][row, : len(chosen)] = 1
        masked[row, chosen] = MASK
    return {
        **arrays,
        "token_ids": ids,
        "padding_mask": real.astype(int),
        "masked_token_ids": masked,
    }


def update(weights, gradients, moments, rate):
    """Clip and Adam of one network; the norm before the clip."""
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
    scale = max(1.0, norm / CONFIG["max_grad_norm"])
    for name, gradient in gradients.items():
        m, v = moments[name]
        m.mul_(0.9).add_(0.1 * gradient / scale)
        v.mul_(0.999).add_(0.001 * (gradient / scale) ** 2)
        step = m / (v.sqrt() + CONFIG["epsilon"])
        if "bias" not in name and "LayerNorm.weight" not in name:
            step = step + CONFIG["weight_decay"] * weights[name].detach()
        with torch.no_grad():
            weights[name] -= rate * step
    return norm


def main():
    rng = np.random.default_rng(7)
    before = parameters(rng)
    nets: dict[str, dict] = {"generator": {}, "discriminator": {}}
    for name, array in before.items():
        network, _, rest = name.partition("/")
        tensor = torch.tensor(array, dtype=torch.float64, requires_grad=True)
        nets[network][rest] = tensor
    moments = {
        network: {n: (0 * w.detach(), 0 * w.detach()) for n, w in ws.items()}
        for network, ws in nets.items()
    }
    trace = {"config_json": np.array(json.dumps(CONFIG))}
    trace |= {f"before/{name}": array for name, array in before.items()}
    for step in range(STEPS):
        rate = RATE * (1 - step / 10)
        rates = {"generator": rate, "discriminator": rate / 2}
        arrays = random_batch(rng)
        batch = {k: torch.tensor(v) for k, v in arrays.items()}
        logits = generator_logits(nets["generator"], batch)
        used = batch["mask_weights"] > 0
        losses = {
            "generator": torch.nn.functional.cross_entropy(
                logits[used], batch["mask_ids"][used]
            )
        }
        sampled = torch.distributions.Categorical(logits=logits).sample()
        # Right once, [PAD] once.
        sampled[0, 0], sampled[0, 1] = batch["mask_ids"][0, 0], PAD
        sampled = sampled * used
        corrupted = batch["token_ids"].clone()
        for row in range(ROWS):
            at = batch["mask_positions"][row][used[row]]
            corrupted[row, at] = sampled[row][used[row]]
        replaced = corrupted != batch["token_ids"]
        batch["corrupted_token_ids"] = corrupted
        found = {"generator_logits": logits} if step == 0 else {}
        for network in ("generator", "discriminator"):
            weights = nets[network]
            factor = 1.0
            if network == "discriminator":
                factor = CONFIG["rtd_lambda"]
                table = nets["generator"][
                    "deberta.embeddings.word_embeddings.weight"
                ]
                scores = discriminator_logits(weights, table, batch)
                real = batch["padding_mask"] > 0
                losses[network] = (
                    torch.nn.functional.binary_cross_entropy_with_logits(
                        scores[real], replaced[real].double()
                    )
                )
            gradients = torch.autograd.grad(
                factor * losses[network],
                list(weights.values()),
                allow_unused=True,
                materialize_grads=True,
            )
            gradients = dict(zip(weights, gradients))
            if step == 0:
                for name, gradient in gradients.items():
                    trace[f"grad0/{network}/{name}"] = gradient.float()
            norm = update(weights, gradients, moments[network], rates[network])
            found[f"{network}_loss"] = losses[network].detach()
            found[f"{network}_grad_norm"] = torch.tensor(norm)
            found[f"{network}_learning_rate"] = torch.tensor(rates[network])
        batch |= {"sampled_ids": sampled, "is_replaced": replaced.int()}
        trace |= {f"step{step}/{k}": v.int() for k, v in batch.items()}
        trace |= {
            f"step{step}/{k}": v.detach().float() for k, v in found.items()
        }
    for network, weights in nets.items():
        for name, weight in weights.items():
            trace[f"after/{network}/{name}"] = weight.detach().float()
    np.savez_compressed(OUTPUT, **{k: np.asarray(v) for k, v in trace.items()})


if __name__ == "__main__":
    torch.manual_seed(3)
    main()
