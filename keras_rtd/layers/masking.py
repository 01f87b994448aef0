"""Dynamic masking: which tokens the generator has to fill in.

Written once as a function of an array namespace and of noise that the caller
has sampled, so that the same lines run on NumPy (prepared data), inside tf.data
(`tf.experimental.numpy`) and on the device (`keras.ops`).
"""

import dataclasses
import functools

import numpy as np

from keras_rtd.utils.setting import check_int

# SpanBERT (Joshi et al. 2020, section 3.1) samples span lengths from Geo(0.2).
_SPAN_CONTINUES = 0.8


@dataclasses.dataclass(frozen=True)
class MaskingOptions:
    """How masked positions are chosen.

    Args:
        mask_rate: float in (0, 1), the share of a row's tokens, `[CLS]` and
            `[SEP]` counted, that is chosen. Defaults to `0.15`.
        keep_rate: float in [0, 1), the probability that a chosen token stays
            as it is and is not replaced by `[MASK]`. Defaults to `0.15`.
        with_replacement: bool. `True` samples positions as the reference does,
            so that a position may occur twice in a row and then counts twice
            in the generator's loss. Defaults to `False`.
        whole_words: bool. `True` chooses all pieces of a word or none.
            Defaults to `False`.
        max_ngram: int. Above 1, runs of up to this many neighbouring tokens
            (words, with `whole_words`) are chosen together; lengths follow
            the geometric distribution Geo(0.2) clipped here, as in SpanBERT
            (Joshi et al. 2020, section 3.1; it clips at 10).
            Defaults to `1`.
        windows: bool. `True` chooses as microsoft/DeBERTa does: one token of
            each successive window of `int(1 / mask_rate)` candidates, from
            left to right while the row needs more. So the end of a long row is
            never masked, and never more than two neighbours are. `[UNK]` is no
            candidate there. Defaults to `False`.

    Raises:
        ValueError: A value is out of its range, or two of `with_replacement`,
            `windows`, and words or n-grams come together.

    Sources: google-research/electra, `pretrain/pretrain_helpers.py`, `mask`;
    microsoft/DeBERTa, `DeBERTa/data/ngram_mask_generator.py` (`windows`).
    """

    mask_rate: float = 0.15
    keep_rate: float = 0.15
    with_replacement: bool = False
    whole_words: bool = False
    max_ngram: int = 1
    windows: bool = False

    def __post_init__(self):
        if not _is_number(self.mask_rate) or not 0 < self.mask_rate < 1:
            raise ValueError(
                "`mask_rate` must lie between 0 and 1 (both excluded). "
                f"Received: mask_rate={self.mask_rate!r}"
            )
        if not _is_number(self.keep_rate) or not 0 <= self.keep_rate < 1:
            raise ValueError(
                "`keep_rate` must be at least 0 and below 1. "
                f"Received: keep_rate={self.keep_rate!r}"
            )
        check_int("max_ngram", self.max_ngram, 1)
        for name in ("with_replacement", "windows"):
            if getattr(self, name) and self.in_units:
                raise ValueError(
                    f"`{name}` samples single tokens, and cannot be combined "
                    "with `whole_words` or `max_ngram` above 1."
                )
        if self.with_replacement and self.windows:
            raise ValueError(
                "`with_replacement` and `windows` cannot be combined."
            )

    @property
    def in_units(self):
        """Whether more than one token may be chosen as one."""
        return self.whole_words or self.max_ngram > 1

    @property
    def noise_planes(self):
        """Number of (B, L) planes of noise that `mask_tokens` needs."""
        return 3 if self.max_ngram > 1 else 2

    def excluded_ids(self, special_ids, unk_token_id):
        """Ids that are never chosen, a list.

        Args:
            special_ids: list of int, those of `[CLS]`, `[SEP]`, `[PAD]` and
                `[MASK]`.
            unk_token_id: int or `None`.
        """
        if self.windows and unk_token_id is not None:
            return [*special_ids, unk_token_id]
        return list(special_ids)

    def num_slots(self, sequence_length):
        """Mask slots per row, the reference's `max_predictions_per_seq`."""
        slots = int((self.mask_rate + 0.005) * sequence_length)
        if self.windows:
            # The reference has room for more than it ever fills.
            slots = round(self.mask_rate * sequence_length)
        return min(max(1, slots), sequence_length)


def mask_tokens(
    xp,
    token_ids,
    padding_mask,
    noise,
    *,
    options,
    mask_token_id,
    excluded_ids,
    word_start=None,
):
    """Chooses positions to predict and replaces most of them by `[MASK]`.

    A row of n tokens, `[CLS]` and `[SEP]` counted, gets
    `k = max(1, min(K, round(n * mask_rate)))` distinct positions, or all its
    candidates where it has fewer. With words or n-grams, units are taken in
    random order while fewer than k tokens are chosen and while the whole unit
    fits into the K slots: nothing is ever cut, a row may be some tokens off
    k, and a unit of more than K tokens is never chosen.

    Args:
        xp: array namespace: `numpy`, `keras.ops` or
            `tf.experimental.numpy`.
        token_ids: (B, L) int32.
        padding_mask: (B, L) bool, `True` for real tokens.
        noise: (P, B, L) float32, uniform in [0, 1), P being
            `options.noise_planes`.
        options: `MaskingOptions`.
        mask_token_id: int, id of `[MASK]`.
        excluded_ids: list of int, ids that are never chosen.
        word_start: (B, L) bool, `True` where a word begins; needed for
            `options.whole_words`.

    Returns:
        dict of `mask_positions` (B, K) int32, `mask_ids` (B, K) int32,
        `mask_weights` (B, K) float32 and `masked_token_ids` (B, L) int32,
        where K is `options.num_slots(L)`. Unused slots have position 0, id 0
        and weight 0.
    """
    length = token_ids.shape[-1]
    slots = options.num_slots(length)
    candidate = padding_mask
    for token_id in excluded_ids:
        candidate = candidate & (token_ids != token_id)

    # Looked up and not computed, so that every namespace rounds alike.
    budgets = [round(n * options.mask_rate) for n in range(length + 1)]
    budgets = np.clip(np.array(budgets, "int32"), 1, slots)
    num_tokens = _count(xp, padding_mask)
    budget = xp.take(xp.array(budgets), num_tokens)[:, None]

    mask_here = noise[1] >= options.keep_rate
    if options.with_replacement or options.windows:
        choose = _sample_with_replacement
        if options.windows:
            window = int(1 / options.mask_rate)
            choose = functools.partial(_sample_windows, window=window)
        positions, chosen = choose(xp, candidate, noise[0][:, :slots], budget)
        # Any of the samples of a position may mask it.
        hit = positions[:, :, None] == xp.arange(length, dtype="int32")
        masking = chosen & mask_here[:, :slots]
        masked = xp.any(hit & masking[:, :, None], axis=1)
    else:
        if options.in_units:
            order, taken = _sample_units(
                xp, candidate, noise, budget, slots, options, word_start
            )
        else:
            score = xp.where(candidate, noise[0], xp.ones_like(noise[0]))
            order = _int(xp, xp.argsort(score, axis=-1))
            taken = xp.minimum(budget, _count(xp, candidate)[:, None])
        positions = order[:, :slots]
        chosen = xp.arange(slots, dtype="int32") < taken
        rank = _int(xp, xp.argsort(order, axis=-1))
        masked = (rank < taken) & mask_here

    zero = xp.zeros_like(positions)
    ids = xp.take_along_axis(token_ids, positions, axis=1)
    return {
        "mask_positions": xp.where(chosen, positions, zero),
        "mask_ids": xp.where(chosen, ids, zero),
        "mask_weights": xp.array(chosen, dtype="float32"),
        "masked_token_ids": xp.where(
            masked, xp.full_like(token_ids, mask_token_id), token_ids
        ),
    }


def _sample_with_replacement(xp, candidate, noise, budget):
    """(B, K) positions, sampled independently, and which of them count."""
    count = _count(xp, candidate)[:, None]
    sampled = _below(xp, noise, count)
    slot = xp.arange(noise.shape[-1], dtype="int32")
    return _nth_candidate(xp, candidate, sampled), (slot < budget) & (count > 0)


def _sample_windows(xp, candidate, noise, budget, window):
    """(B, K) positions, one of each window of candidates, and which count."""
    count = _count(xp, candidate)[:, None]
    slot = xp.arange(noise.shape[-1], dtype="int32")
    begin = slot * window
    # The last window may be smaller.
    size = xp.minimum(count - begin, xp.full_like(begin, window))
    sampled = xp.minimum(begin + _below(xp, noise, size), count - 1)
    positions = _nth_candidate(
        xp, candidate, xp.maximum(sampled, xp.zeros_like(sampled))
    )
    return positions, (slot < budget) & (begin < count)


def _below(xp, noise, count):
    """Integers from 0 to below `count`, 0 where that is none."""
    sampled = _int(xp, noise * xp.array(count, dtype="float32"))
    return xp.maximum(xp.minimum(sampled, count - 1), xp.zeros_like(sampled))


def _nth_candidate(xp, candidate, ordinal):
    """Positions of the candidates of these numbers, from 0."""
    # Stable by construction: candidates first, each part in text order.
    length = candidate.shape[-1]
    index = xp.arange(length, dtype="int32")
    in_order = _int(
        xp, xp.sort(xp.where(candidate, index, index + length), axis=-1)
    )
    return xp.take_along_axis(in_order, ordinal, axis=1) % length


def _sample_units(xp, candidate, noise, budget, slots, options, word_start):
    """(B, L) all positions, chosen ones first, and (B, 1) how many are."""
    length = candidate.shape[-1]
    index = xp.arange(length, dtype="int32") + xp.zeros_like(
        _int(xp, candidate)
    )
    after_gap = xp.concatenate(
        [xp.ones_like(candidate[:, :1]), ~candidate[:, :-1]], axis=1
    )
    start = candidate
    if options.whole_words:
        start = candidate & (word_start | after_gap)
    if options.max_ngram > 1:
        word = _ordinal(xp, start)
        run = start & ((noise[2] >= _SPAN_CONTINUES) | after_gap)
        run_start = _nth_position(xp, run, _ordinal(xp, run))
        in_run = word - xp.take_along_axis(word, run_start, axis=1)
        start = start & (in_run % options.max_ngram == 0)

    unit = _ordinal(xp, start)
    first = _nth_position(xp, start, unit)
    before_gap = xp.concatenate(
        [~candidate[:, 1:], xp.ones_like(candidate[:, :1])], axis=1
    )
    before_start = xp.concatenate(
        [start[:, 1:], xp.ones_like(candidate[:, :1])], axis=1
    )
    end = candidate & (before_gap | before_start)
    size = _nth_position(xp, end, unit) - first + 1

    # Distinct integer keys keep a unit's tokens together in the order.
    rank = _int(xp, xp.argsort(xp.argsort(noise[0], axis=-1), axis=-1))
    rank = xp.take_along_axis(rank, unit, axis=1)
    eligible = candidate & (size <= slots)
    rank = xp.where(eligible, rank, xp.full_like(rank, length))
    order = _int(xp, xp.argsort(rank * length + index, axis=-1))

    def in_order(x):
        return xp.take_along_axis(x, order, axis=1)

    unit_begins_at = index - (order - in_order(first))
    taken = (
        in_order(eligible)
        & (unit_begins_at < budget)
        & (unit_begins_at + in_order(size) <= slots)
    )
    return order, _count(xp, taken)[:, None]


def _ordinal(xp, flag):
    """How many flags precede or stand at each position, less one, from 0."""
    count = _int(xp, xp.cumsum(_int(xp, flag), axis=-1))
    return xp.maximum(count - 1, xp.zeros_like(count))


def _nth_position(xp, flag, ordinal):
    """Position of the row's flag number `ordinal`, looked up per element."""
    length = flag.shape[-1]
    index = xp.arange(length, dtype="int32")
    last = xp.full_like(index, length - 1)
    positions = _int(xp, xp.sort(xp.where(flag, index, last), axis=-1))
    return xp.take_along_axis(positions, ordinal, axis=1)


def _count(xp, flag):
    return _int(xp, xp.sum(_int(xp, flag), axis=-1))


def _int(xp, x):
    return xp.array(x, dtype="int32")


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)
