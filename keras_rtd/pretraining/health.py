"""What is wrong with a run, as its evaluations show it, and what to change."""

import math

import numpy as np

# Evaluations in a row that must agree: one alone is noise.
PATIENCE = 3
# Share of the run in which a discriminator may still be near the class prior.
EARLY = 0.2
# Part of the class prior's entropy that a discriminator must have explained.
LEAST_GAIN = 0.002
# Share of right samples beyond which a generator leaves little to detect.
MOSTLY_RIGHT = 0.5
# Nats above its best at which a loss has broken down.
BREAKDOWN = 0.5


class Health:
    """Looks at a run's evaluations on held-out text.

    Args:
        objective: `keras_rtd.objectives.Objective`.
        unigram: float (vocabulary,), the corpus's word frequencies.
        train_steps: int. Of the whole run.
    """

    def __init__(self, objective, unigram, train_steps):
        self.objective = objective
        self.train_steps = train_steps
        known = np.asarray(unigram)[np.asarray(unigram) > 0]
        self.unigram_loss = float(-np.sum(known * np.log(known)))

    def warnings(self, rows):
        """What a person should know.

        Args:
            rows: list of dicts, one an evaluation, by rising step, as in
                metrics.jsonl.

        Returns:
            list of strings, a line each: what is seen, and what to change.
        """
        if len(rows) < PATIENCE:
            return []
        found = [
            *(self._tokens(rows, part) for part in ("generator", "masked_lm")),
            self._strong_generator(rows),
            self._class_prior(rows),
        ]
        return [line for line in found if line]

    def _tokens(self, rows, part):
        losses = _values(rows, f"val_{part}_loss")
        if losses is None:
            return None
        who = "generator" if part == "generator" else "encoder's masked LM"
        newest = losses[-PATIENCE:]
        if min(newest) > min(losses) + BREAKDOWN:
            return (
                f"the {who} has collapsed: its loss was {min(losses):.2f} at "
                f"best and is {newest[-1]:.2f} now. Lower --learning_rate "
                f"{'or --generator_learning_rate ' * (part == 'generator')}"
                "or lengthen --warmup_steps, and start again from the "
                "checkpoint of the best evaluation, or anew."
            )
        if self._late(rows) and min(newest) > self.unigram_loss:
            return (
                f"the {who} knows no more than word frequencies: its loss is "
                f"{newest[-1]:.2f}, theirs {self.unigram_loss:.2f}. Raise or "
                "lower --learning_rate, or lengthen --warmup_steps; a "
                "vocabulary that does not fit the text does this too."
            )
        return None

    def _strong_generator(self, rows):
        auc = _values(rows, "val_discriminator_auc")
        rate = _values(rows, "val_replaced_rate")
        right = _values(rows, "val_sampled_accuracy")
        if None in (auc, rate, right):
            return None
        probe = _values(rows, "probe_auc")
        newest = probe[-PATIENCE:] if probe else [0.0]
        if (
            right[-1] > MOSTLY_RIGHT
            and _falls(auc[-PATIENCE:])
            and _falls(rate[-PATIENCE:])
            and newest[-1] <= newest[0]
        ):
            return (
                f"the generator is too strong: {right[-1]:.0%} of its samples "
                f"are right, {rate[-1]:.1%} of the tokens are replaced, and "
                f"the discriminator's AUC has fallen to {auc[-1]:.3f} while "
                "the probe's does not rise. Make it smaller "
                "(--generator_hidden_dim, --generator_num_layers), or raise "
                "--temperature or --mask_rate."
            )
        return None

    def _class_prior(self, rows):
        loss = _values(rows, "val_discriminator_loss")
        shares = [
            self.objective.replaced_share(
                {name.removeprefix("val_"): v for name, v in row.items()}
            )
            for row in rows
        ]
        if loss is None or None in shares or not self._late(rows):
            return None
        gains = [
            1.0 - value / max(_entropy(share), 1e-9)
            for value, share in zip(loss[-PATIENCE:], shares[-PATIENCE:])
        ]
        if max(gains) < LEAST_GAIN:
            return (
                "the discriminator is no better than the class prior: its "
                f"loss is {loss[-1]:.4f}, that of always answering "
                f"{shares[-1]:.1%} is {_entropy(shares[-1]):.4f}. Train "
                "longer, let the first replacements be word frequencies "
                "(--unigram_warmup_steps), or raise --learning_rate; if "
                "hardly a token is replaced, see that the generator is not "
                "too strong."
            )
        return None

    def _late(self, rows):
        return rows[-PATIENCE]["step"] >= EARLY * self.train_steps


def _values(rows, name):
    """A metric's values, or `None` where an evaluation lacks it."""
    values = [row.get(name) for row in rows]
    return None if None in values else values


def _falls(values):
    return all(b < a for a, b in zip(values, values[1:]))


def _entropy(share):
    """Loss of always giving the share itself as the probability, in nats."""
    return -sum(p * math.log(p) for p in (share, 1.0 - share) if p > 0)
