"""A block of documents to rows, in a TensorFlow graph.

A row is one tensor, so that shuffling moves one: `base * id + number`, the
number being that of the token's segment or document, and -1 for padding.
"""

import tensorflow as tf

from keras_rtd.data import packing
from keras_rtd.data import windows

PADDING = -1


def block_to_rows(tokenizer, options, seed):
    """A function for `tf.data.Dataset.map`.

    Args:
        tokenizer: has `tokenize` for graphs.
        options: `keras_rtd.data.dataset.BatchOptions`.
        seed: int32 (2,), of the windows.

    Returns:
        Function of a block's number and its documents, to rows (W, L) int32.
    """
    xp = tf.experimental.numpy
    size = windows.capacity(options.sequence_length, options.segments)
    word_starts = tf.constant(tokenizer.is_word_start)
    special = {
        "cls_token_id": tokenizer.cls_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }

    def to_rows(number, documents):
        lines = tf.strings.split(documents, "\n")
        if tokenizer.keeps_lines:
            ends = lines.row_limits()
            last = tf.scatter_nd(
                ends[:, None] - 1,
                tf.ones_like(ends, tf.bool),
                tf.shape(lines.values, tf.int64),
            )
            lines = lines.with_values(
                tf.where(last, lines.values, lines.values + "\n")
            )
        pieces = tokenizer.tokenize(lines.values)
        tokens = pieces.flat_values
        line_lengths = pieces.row_lengths()
        line_starts = pieces.row_starts()[:, None]
        line_start = tf.scatter_nd(
            tf.boolean_mask(line_starts, line_lengths > 0),
            tf.ones([tf.math.count_nonzero(line_lengths)], tf.int32),
            tf.shape(tokens, tf.int64),
        )
        document_lengths = tf.math.segment_sum(
            line_lengths, lines.value_rowids()
        )
        if options.packing:
            return shared_rows(tokens, document_lengths)
        starts, lengths = windows.consecutive_windows(
            xp, document_lengths, size
        )
        key = tf.random.experimental.stateless_fold_in(seed, number)

        def noise(purpose):
            return tf.random.stateless_uniform(
                [tf.shape(starts)[0], 2],
                tf.random.experimental.stateless_fold_in(key, purpose),
            )

        if options.segments == "pair":
            starts, lengths = windows.shorten_some(
                xp, starts, lengths, noise(0)
            )
        index = starts[:, None] + tf.range(size, dtype=tf.int64)
        # What lies after a row's length is not looked at.
        index = tf.minimum(index, tf.size(tokens, tf.int64) - 1)
        row_tokens = tf.gather(tokens, index)
        token_ids, segment_ids, padding_mask = windows.assemble(
            xp,
            row_tokens,
            tf.cast(lengths, tf.int32),
            tf.gather(line_start, index) > 0,
            tf.gather(word_starts, row_tokens),
            noise(1),
            segments=options.segments,
            **special,
        )
        return packed(token_ids, segment_ids, padding_mask)

    def shared_rows(tokens, document_lengths):
        documents = packing.DocumentPacking(
            xp,
            tf.boolean_mask(document_lengths, document_lengths > 0),
            options.sequence_length,
        )
        index, kind, document_ids = documents.rows(tf.range(documents.num_rows))
        token_ids = packing.fill(xp, tf.gather(tokens, index), kind, **special)
        return packed(token_ids, document_ids, document_ids > 0)

    def packed(token_ids, numbers, padding_mask):
        rows = tf.where(
            padding_mask, token_ids * base(options) + numbers, PADDING
        )
        return tf.ensure_shape(rows, [None, options.sequence_length])

    return to_rows


def base(options):
    """More than any number that goes with a token: of its segment, or of its
    document in the row."""
    return options.sequence_length if options.packing else 2
