"""Strings to encoder inputs inside a TensorFlow graph."""

import tensorflow as tf


def pack(tokenizer, parts, least=0):
    """[CLS] A [SEP] (B [SEP]), padded to the longest row.

    Args:
        tokenizer: `keras_rtd.tokenizers.Tokenizer` that `runs_in_graph`.
        parts: list of one or two int32 RaggedTensors (batch, None).
        least: int. Rows are at least so long. Defaults to 0.

    Returns:
        dict of `token_ids`, `segment_ids`, `padding_mask`, int32 (batch,
        length).
    """
    rows = parts[0].nrows()
    end = tf.fill((rows, 1), tokenizer.sep_token_id)
    start = tf.fill((rows, 1), tokenizer.cls_token_id)
    pieces = [tf.concat([start, parts[0], end], axis=1)]
    pieces += [tf.concat([part, end], axis=1) for part in parts[1:]]
    packed = tf.concat(pieces, axis=1)
    token_ids = packed.to_tensor(tokenizer.pad_token_id)
    short = tf.maximum(0, least - tf.shape(token_ids)[1])
    token_ids = tf.pad(
        token_ids, [[0, 0], [0, short]], constant_values=tokenizer.pad_token_id
    )
    width = tf.shape(token_ids)[1]
    lengths = tf.cast(packed.row_lengths(), tf.int32)
    mask = tf.sequence_mask(lengths, width, tf.int32)
    first = tf.cast(pieces[0].row_lengths(), tf.int32)
    segments = mask - tf.sequence_mask(first, width, tf.int32)
    return {
        "token_ids": token_ids,
        "segment_ids": segments,
        "padding_mask": mask,
    }


def pack_texts(tokenizer, texts, room):
    """`pack` of strings (batch,), cut to `room` positions."""
    return pack(tokenizer, [tokenizer.tokenize(texts)[:, : room - 2]])


def pack_pairs(tokenizer, first, second, room):
    """`pack` of two strings each (batch,): the longer one is cut first, so
    that both have their half where both are long, as KerasHub's round robin
    does."""
    first, second = tokenizer.tokenize(first), tokenizer.tokenize(second)
    room = room - 3
    a, b = first.row_lengths(), second.row_lengths()
    half = tf.cast(room // 2, a.dtype)
    # The first of the two has the odd position.
    keep_a = tf.maximum(room - half, room - b)
    keep_b = tf.maximum(half, room - a)
    return pack(tokenizer, [_cut(first, keep_a), _cut(second, keep_b)])


def _cut(ragged, limits):
    """Rows of no more than their own limit."""
    place = tf.ragged.range(ragged.row_lengths())
    keep = place.values < tf.gather(limits, ragged.value_rowids())
    return tf.ragged.boolean_mask(ragged, ragged.with_values(keep))
