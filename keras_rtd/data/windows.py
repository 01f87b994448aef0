"""Windows: how documents become rows of one length.

A document is one stream of tokens in which some places are line starts. It is
cut into consecutive windows, so every token is in exactly one. The functions
take an array namespace (`numpy` or `tf.experimental.numpy`), so that prepared
data and tf.data run the same lines.
"""

import warnings

# Of all pair windows, this share has one segment and this share is shorter
# than it could be. Source: google-research/electra,
# build_pretraining_dataset.py, `ExampleBuilder._create_example`.
SINGLE_SEGMENT_RATE = 0.1
SHORT_RATE = 0.05

# Splitting one window in two gives two short ones.
_SPLIT_RATE = SHORT_RATE / (2 - SHORT_RATE)

SEGMENTS = ("pair", "single")
# What earlier versions called them: (segments, packing).
OLD_SEGMENTS = {"packed": ("single", False), "documents": ("single", True)}


def resolve_segments(segments, packing=False):
    """What `segments` and `packing` mean together.

    Args:
        segments: `"pair"`, `"single"`, or a value of earlier versions:
            `"packed"` or `"documents"`.
        packing: bool. Several documents share a row, which then has no pair.
            Defaults to `False`.

    Returns:
        (segments, packing): `"pair"` or `"single"`, and bool.

    Raises:
        ValueError: an argument that is none of these.
    """
    if not isinstance(packing, bool):
        raise ValueError(
            f"`packing` must be True or False. Received: packing={packing!r}"
        )
    if segments in OLD_SEGMENTS:
        old = segments
        segments, packs = OLD_SEGMENTS[old]
        packing = packing or packs
        means = "packing=True" if packs else 'segments="single"'
        warnings.warn(f'segments="{old}" is now {means}.', stacklevel=3)
    if segments not in SEGMENTS:
        raise ValueError(
            f"`segments` must be one of {SEGMENTS}. "
            f"Received: segments={segments!r}"
        )
    return "single" if packing else segments, packing


def capacity(sequence_length, segments):
    """Tokens of text in a full row: all but `[CLS]` and the `[SEP]`s."""
    return sequence_length - (3 if segments == "pair" else 2)


def consecutive_windows(xp, document_lengths, size):
    """Cuts documents into full windows and a rest.

    Args:
        xp: array namespace.
        document_lengths: (D,) int64, tokens per document, in order, without
            gaps between them.
        size: int, tokens per full window.

    Returns:
        Tuple of starts (W,) int64 and lengths (W,) int64.
    """
    counts = (document_lengths + (size - 1)) // size
    ends = xp.cumsum(document_lengths)
    first_window = xp.cumsum(counts) - counts
    first_window = xp.repeat(first_window, counts)
    ordinal = _index(xp, first_window) - first_window
    starts = xp.repeat(ends - document_lengths, counts) + ordinal * size
    lengths = xp.minimum(xp.repeat(ends, counts) - starts, size)
    return starts, lengths


def shorten_some(xp, starts, lengths, noise):
    """Splits some windows at a random place, so that rows vary in length.

    Args:
        xp: array namespace.
        starts: (W,) int64.
        lengths: (W,) int64.
        noise: (W, 2) float32, uniform in [0, 1).

    Returns:
        Tuple of starts and lengths, longer than before.
    """
    split = (noise[:, 0] < _SPLIT_RATE) & (lengths > 1)
    room = lengths - 1
    offset = xp.array(
        noise[:, 1] * xp.array(room, dtype="float32"), dtype="int64"
    )
    head = xp.where(split, xp.minimum(1 + offset, room), lengths)
    pieces = xp.array(split, dtype="int64") + 1
    window = xp.repeat(_index(xp, lengths), pieces)
    is_tail = xp.concatenate(
        [xp.zeros_like(window[:1]), 1 - _changes(xp, window)]
    )
    head = xp.take(head, window)
    starts = xp.take(starts, window) + is_tail * head
    tail = xp.take(lengths, window) - head
    return starts, xp.where(is_tail > 0, tail, head)


def assemble(
    xp,
    tokens,
    lengths,
    line_start,
    word_start,
    noise,
    *,
    segments,
    cls_token_id,
    sep_token_id,
    pad_token_id,
):
    """Adds special tokens and chooses where the second segment begins.

    With `segments="pair"` nine windows in ten are `[CLS] A [SEP] B [SEP]`,
    and B begins at the line start nearest to a point sampled from the middle
    half of the window; without a line start inside at the nearest word
    start, else at the point itself. The others, and all windows with
    `segments="single"`, are `[CLS] A [SEP]`.

    Args:
        xp: array namespace.
        tokens: (B, C) int32, text of each row, anything after its length.
        lengths: (B,) int32, 0 for a row of padding only.
        line_start: (B, C) bool.
        word_start: (B, C) bool.
        noise: (B, 2) float32, uniform in [0, 1).
        segments: `"pair"` or `"single"`.
        cls_token_id: int.
        sep_token_id: int.
        pad_token_id: int.

    Returns:
        Tuple of token ids (B, L) int32, segment ids (B, L) int32 and padding
        mask (B, L) bool; L is C + 3 for pairs and C + 2 for single segments.
    """
    size = tokens.shape[-1]
    lengths = lengths[:, None]
    if segments == "pair":
        place = xp.arange(size, dtype="int32")
        wide = xp.array(lengths, dtype="float32")
        point = xp.array(wide * (0.25 + 0.5 * noise[:, 1:2]), dtype="int32")
        outside = (place < 1) | (place >= lengths)
        cost = (
            xp.abs(place - point)
            + xp.where(line_start, 0 * place, size + 0 * place)
            + xp.where(word_start, 0 * place, size + 0 * place)
            + xp.where(outside, 4 * size + 0 * place, 0 * place)
        )
        split = xp.array(xp.argmin(cost, axis=-1), dtype="int32")[:, None]
        single = (noise[:, :1] < SINGLE_SEGMENT_RATE) | (lengths < 2)
        split = xp.where(single, lengths, split)
        last = lengths + 2 - xp.array(single, dtype="int32")
        row_length = size + 3
    else:
        split = lengths
        last = lengths + 1
        row_length = size + 2

    # Row: place 0 [CLS], A, place split + 1 [SEP], B, place last [SEP].
    place = xp.arange(row_length, dtype="int32") + 0 * lengths
    second = place > split + 1
    source = place - 1 - xp.array(second, dtype="int32")
    source = xp.minimum(xp.maximum(source, 0 * place), size - 1 + 0 * place)
    row = xp.take_along_axis(tokens, source, axis=1)
    separates = (place == split + 1) | (place == last)
    row = xp.where(separates, xp.full_like(row, sep_token_id), row)
    row = xp.where(place == 0, xp.full_like(row, cls_token_id), row)
    real = (place <= last) & (lengths > 0)
    row = xp.where(real, row, xp.full_like(row, pad_token_id))
    return row, xp.array(second & real, dtype="int32"), real


def _index(xp, x):
    """0, 1, 2, … for a vector whose length a graph does not know."""
    return xp.cumsum(xp.ones_like(x)) - 1


def _changes(xp, x):
    return xp.array(x[1:] != x[:-1], dtype=x.dtype)
