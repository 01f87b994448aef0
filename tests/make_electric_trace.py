"""Make a small trace by computing Electric a second time.

    python tests/make_electric_trace.py tests/data_files/electric_trace.npz

As tests/make_trace.py does for ELECTRA: in float64, from the source of
google-research/electra (`electric_objective`), sharing no code with
keras_rtd.
"""

import math
import sys

import make_trace
import numpy as np
import torch

CONFIG = {
    **make_trace.CONFIG,
    "electra_objective": False,
    "electric_objective": True,
}
TOWERS = ("generator_ltr", "generator_rtl")


class Network(make_trace.Network):
    """The two towers, and the discriminator."""

    def cloze_logits(self, batch):
        """Of every position, from what stands on both sides of it."""
        segments, real = make_trace.context(batch)
        ones = torch.ones(real.shape[1], real.shape[1], dtype=real.dtype)
        left, right = (
            self.encode(
                tower, batch["token_ids"], segments, real[:, None] * seen, 1
            )
            for tower, seen in zip(TOWERS, (ones.tril(), ones.triu()))
        )
        x = torch.cat([left.roll(1, 1), right.roll(-1, 1)], -1)
        return self.token_logits("cloze_predictions", x)

    def generator_logits(self, batch):
        at = torch.arange(len(batch["token_ids"]))[:, None]
        return self.cloze_logits(batch)[at, batch["mask_positions"]]

    def labels(self, batch):
        """Noise is what was masked, whatever was sampled."""
        labels = np.zeros_like(batch["token_ids"])
        for row, slot in zip(*np.nonzero(batch["mask_weights"])):
            labels[row, batch["mask_positions"][row, slot]] = 1
        return labels


def losses(network, batch):
    """As `make_trace.losses`; the total has the loss of all tokens that may
    be masked."""
    logits = torch.log_softmax(network.cloze_logits(batch), -1)
    ids = batch["token_ids"]
    nll = -logits.gather(-1, ids[..., None])[..., 0]
    candidates = batch["padding_mask"].double()
    for special in (make_trace.CLS, make_trace.SEP, make_trace.MASK):
        candidates = candidates * (ids != special)
    cloze = (nll * candidates).sum() / (candidates.sum() + 1e-6)
    at = torch.arange(len(ids))[:, None]
    weights = batch["mask_weights"].double()
    sampled = (nll[at, batch["mask_positions"]] * weights).sum()
    sampled = sampled / (weights.sum() + 1e-6)
    shown = batch["corrupted_token_ids"][..., None]
    log_q = logits.gather(-1, shown)[..., 0].detach()
    rate = CONFIG["mask_prob"]
    detection = network.discriminator_logits(batch) + log_q
    detection = detection + math.log(rate / (1 - rate))
    discriminator = make_trace.detection_loss(network, batch, detection)
    total = CONFIG["gen_weight"] * cloze + CONFIG["disc_weight"] * discriminator
    return (
        sampled,
        discriminator,
        total,
        network.generator_logits(batch),
        torch.sigmoid(detection),
    )


def main(path):
    rng = np.random.default_rng(11)
    initial = make_trace.initial_weights(rng, TOWERS, "cloze_predictions")
    make_trace.record(path, CONFIG, rng, initial, Network, losses)


if __name__ == "__main__":
    main(sys.argv[1])
