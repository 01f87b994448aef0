"""Windows over long contexts inside a TensorFlow graph: the same as those of
`ElectraQuestionAnswererPreprocessor`, which `answers.best_answers` reads."""

import dataclasses
from typing import Any

import tensorflow as tf

from keras_rtd.export.graph_packing import pack


@dataclasses.dataclass(frozen=True)
class Windows:
    """Rows that show the contexts of a batch of questions.

    Attributes:
        batch: dict of encoder inputs (windows, length).
        example: int32 (windows,). The question of each row.
        begin: int32 (windows,). The first token of the context that a row
            shows.
        room: int32 (windows,). How many it has room for.
        passage: int32 (windows,). Where in the row it begins.
        step: int32 (windows,). From one window's begin to the next's.
        count: int32 (windows,). Tokens of the whole context.
    """

    batch: dict
    example: Any
    begin: Any
    room: Any
    passage: Any
    step: Any
    count: Any


def make_windows(preprocessor, question, context, least):
    """The rows of a batch.

    Args:
        preprocessor: `ElectraQuestionAnswererPreprocessor`.
        question, context: string (batch,).
        least: int. Rows are at least so long.
    """
    tokenizer = preprocessor.tokenizer
    question = tokenizer.tokenize(question)[:, : preprocessor.question_length]
    context = tokenizer.tokenize(context)
    asked = tf.cast(question.row_lengths(), tf.int32)
    count = tf.cast(context.row_lengths(), tf.int32)
    room = preprocessor.sequence_length - 3 - asked
    tf.debugging.assert_positive(
        room, "A row has no room for a context beside its question."
    )
    step = tf.maximum(1, tf.minimum(preprocessor.stride, room // 2))
    number = 1 + (tf.maximum(0, count - room) + step - 1) // step
    example = tf.repeat(tf.range(tf.size(number)), number)
    place = tf.ragged.range(number).flat_values
    begin = place * tf.gather(step, example)
    whole = tf.gather(count, example)
    room = tf.gather(room, example)
    size = tf.minimum(room, whole - begin)
    first = tf.gather(tf.cast(context.row_starts(), tf.int32), example) + begin
    shown = tf.ragged.range(first, first + size)
    part = shown.with_flat_values(
        tf.gather(context.flat_values, shown.flat_values)
    )
    batch = pack(tokenizer, [tf.gather(question, example), part], least=least)
    return Windows(
        batch,
        example,
        begin,
        room,
        tf.gather(asked, example) + 2,
        tf.gather(step, example),
        whole,
    )


def shows_most(windows, token):
    """Whether no other window shows a token with more around it.

    Args:
        windows: `Windows`.
        token: int32 (windows, n). Tokens of the context, each shown by the
            window of its row.

    Returns:
        bool (windows, n). Of windows that show as much it is the first.
    """
    own = windows.begin // windows.step
    place = tf.range(tf.reduce_max(own) + 1)
    begin = (place * windows.step[:, None])[:, None]
    size = tf.minimum(
        windows.room[:, None, None], windows.count[:, None, None] - begin
    )
    left = token[..., None] - begin
    right = size - 1 - left
    score = tf.cast(tf.minimum(left, right), tf.float32)
    score += 0.01 * tf.cast(size, tf.float32)
    score = tf.where((left >= 0) & (right >= 0), score, -1.0)
    best = tf.argmax(score, axis=-1, output_type=tf.int32)
    return best == own[:, None]
