"""How probable a model finds sentences.

A discriminator's score of a sentence is the sum over its tokens of the
log-probability that the token is original. A generator's is the
pseudo-log-likelihood (Salazar et al., 2020): every token masked in turn, the
sum of the log-probabilities of the true ones.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tqdm
from keras import ops

from keras_rtd.interop.assembly import tokenizer_of
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.training.step import TrainStep

SCORERS = ("discriminator", "generator")

# Rows are padded to a multiple of this, so that few shapes are compiled.
_LENGTH_STEP = 4


def sentence_scores(
    model: Any,
    sentences: Sequence[str],
    scorer: str = "discriminator",
    batch_tokens: int = 4096,
    progress: bool = False,
) -> np.ndarray:
    """Scores of sentences; higher is more probable.

    Sentences with the same tokens have the same score, to the last bit, and
    the order of the sentences has no influence.

    Args:
        model: `ElectraPretrainer`, or `ElectraReplacedTokenDetector` for the
            scorer `"discriminator"`, `ElectraMaskedLM` for `"generator"`;
            with a tokenizer.
        sentences: list of str.
        scorer: `"discriminator"` or `"generator"`, see above. Defaults to
            `"discriminator"`.
        batch_tokens: int. Tokens a batch, padding included. Defaults to
            4,096.
        progress: bool. Whether to show a progress bar. Defaults to `False`.

    Returns:
        float32 (n,), natural logarithms. [CLS] and [SEP] do not count.

    Raises:
        ValueError: a model that does not fit the scorer, or a sentence that
            has no tokens or is too long for it.
    """
    task = scoring_task(model, scorer)
    tokenizer = tokenizer_of(model)
    encoded = [tuple(ids) for ids in tokenizer.encode_batch(sentences)]
    limit = task.backbone.max_sequence_length
    for sentence, ids in zip(sentences, encoded):
        if not 0 < len(ids) <= limit - 2:
            raise ValueError(
                f"A sentence must have 1 to {limit - 2} tokens. One of "
                f"`sentences` has {len(ids)}: {sentence[:80]!r}"
            )
    # Each once, and in an order of their own.
    unique = sorted(set(encoded), key=lambda ids: (len(ids), ids))
    scores = _score_unique(
        _GeneratorRows(task, tokenizer)
        if scorer == "generator"
        else _DiscriminatorRows(task, tokenizer),
        unique,
        limit,
        batch_tokens,
        progress,
    )
    index = {ids: i for i, ids in enumerate(unique)}
    return scores[[index[ids] for ids in encoded]]


def scoring_task(model, scorer):
    """The task of `model` that a scorer calls; see `sentence_scores`."""
    if scorer not in SCORERS:
        raise ValueError(
            f"`scorer` must be one of {', '.join(SCORERS)}. "
            f"Received: {scorer!r}"
        )
    kind = ElectraReplacedTokenDetector
    if scorer == "generator":
        kind = ElectraMaskedLM
    task = model
    if isinstance(model, ElectraPretrainer):
        task = (
            model.masked_lm()
            if scorer == "generator"
            else model.replaced_token_detector()
        )
    if not isinstance(task, kind):
        raise ValueError(
            f"scorer={scorer!r} needs an {kind.__name__} or an "
            f"ElectraPretrainer. Received: {type(model).__name__}"
        )
    if tokenizer_of(task) is None:
        raise ValueError(
            "The model has no tokenizer: give it a `preprocessor` with one."
        )
    return task


def _score_unique(rows, unique, limit, batch_tokens, progress):
    scores = np.zeros(len(unique), np.float32)
    lengths = np.array([len(ids) + 2 for ids in unique])
    padded = np.minimum(-(-lengths // _LENGTH_STEP) * _LENGTH_STEP, limit)
    total = sum(rows.count(len(ids)) for ids in unique)
    bar = tqdm.tqdm(
        total=total, unit="row", desc="Scoring", disable=not progress
    )
    with bar:
        for length in np.unique(padded):
            chosen = np.flatnonzero(padded == length)
            token_ids = np.full((len(chosen), length), rows.pad_id, np.int32)
            for row, sentence in enumerate(chosen):
                token_ids[row, : lengths[sentence]] = (
                    rows.cls_id,
                    *unique[sentence],
                    rows.sep_id,
                )
            found = np.zeros(len(chosen), np.float64)
            pieces = rows.pieces(lengths[chosen])
            batch_size = _batch_size(len(pieces), batch_tokens // int(length))
            for start in range(0, len(pieces), batch_size):
                piece = pieces[start : start + batch_size]
                values = rows.scores(
                    token_ids, lengths[chosen], piece, batch_size
                )
                np.add.at(found, piece[:, 0], values)
                bar.update(len(piece))
            scores[chosen] = found
    return scores


def _batch_size(count, largest):
    """Rows a batch: `largest`, or a power of two that holds them all."""
    return max(1, min(largest, max(16, 1 << (count - 1).bit_length())))


class _Rows(keras.Model):
    """One number for every row of a batch, with all shapes static."""

    def __init__(self, task, tokenizer):
        super().__init__(name="rows")
        self.task = task
        self.pad_id = tokenizer.pad_token_id
        self.cls_id = tokenizer.cls_token_id
        self.sep_id = tokenizer.sep_token_id
        self.mask_id = tokenizer.mask_token_id
        self.built = True
        self.compile(jit_compile=TrainStep.best_jit_compile(self))

    def scores(self, token_ids, lengths, pieces, batch_size):
        """Scores of (sentence, position) pairs.

        Args:
            token_ids: int32 (sentences, length), [CLS] and [SEP] included.
            lengths: int (sentences,).
            pieces: int (n, 2). The second column is for the generator.
            batch_size: int, at least n. Rows that are missing are filled up.

        Returns:
            float32 (n,).
        """
        rows = np.zeros((batch_size, 2), np.int64)
        rows[: len(pieces)] = pieces
        ids = token_ids[rows[:, 0]]
        ends = lengths[rows[:, 0], None]
        places = np.arange(ids.shape[1])[None]
        batch = {
            "token_ids": ids,
            "segment_ids": np.zeros_like(ids),
            "padding_mask": places < ends,
        }
        batch.update(self.extra_inputs(batch, ends, places, rows[:, 1]))
        return np.asarray(self.predict_on_batch(batch))[: len(pieces)]


class _DiscriminatorRows(_Rows):
    """A row is a sentence."""

    def count(self, tokens):
        return 1

    def pieces(self, lengths):
        return np.stack([np.arange(len(lengths)), 0 * lengths], 1)

    def extra_inputs(self, batch, ends, places, positions):
        text = (places > 0) & (places < ends - 1)
        return {"token_weights": text.astype(np.float32)}

    def call(self, inputs):
        inputs = dict(inputs)
        weights = inputs.pop("token_weights")
        logits = self.task(inputs)["discriminator_logits"]
        # log(1 - sigmoid(x)) = -log(1 + exp(x))
        return -ops.sum(ops.softplus(logits) * weights, axis=-1)


class _GeneratorRows(_Rows):
    """A row is a sentence with one token masked."""

    def count(self, tokens):
        return tokens

    def pieces(self, lengths):
        sentences = np.repeat(np.arange(len(lengths)), lengths - 2)
        positions = [np.arange(1, length - 1) for length in lengths]
        return np.stack([sentences, np.concatenate(positions)], 1)

    def extra_inputs(self, batch, ends, places, positions):
        ids = batch["token_ids"]
        every = np.arange(len(ids))
        # Rows that only fill up have position 0, [CLS].
        targets = ids[every, positions]
        ids[every, positions] = self.mask_id
        return {
            "mask_positions": positions[:, None].astype(np.int32),
            "targets": targets[:, None],
        }

    def call(self, inputs):
        inputs = dict(inputs)
        targets = inputs.pop("targets")
        logits = self.task(inputs)[:, 0]
        right = ops.take_along_axis(logits, targets, axis=-1)[:, 0]
        return right - ops.logsumexp(logits, axis=-1)
