"""Batches from text files, on the fly, in a TensorFlow graph.

A Python thread reads, splits and orders documents, block by block; all after
that (tokenizing, windows, shuffling, masks) is tf.data, whole blocks and
batches at a time.
"""

import functools
import itertools

import numpy as np
import tensorflow as tf

from keras_rtd.data import advice
from keras_rtd.data import counter_random
from keras_rtd.data import holdout
from keras_rtd.data import streaming_rows
from keras_rtd.data import windows
from keras_rtd.data.document_order import blocks_of_documents
from keras_rtd.data.encoding import encode_documents
from keras_rtd.data.interpreter_exit import stoppable
from keras_rtd.layers.masking import mask_tokens
from keras_rtd.utils.hardware import keep_tensorflow_off_gpus

# Numbers of the random streams that a seed has, after `document_order`'s.
_WINDOWS, _MASKS, _SHUFFLE = range(2, 5)
# So much text says how it suits the tokenizer and the rows.
_SAMPLE_CHARACTERS = 1 << 17

keep_tensorflow_off_gpus()

# Seconds in which a pipeline has surely tokenized a block.
_PATIENCE = 2.0


def streaming_dataset(
    corpora,
    tokenizer,
    options,
    reading,
    validation_fraction,
    shuffle_buffer,
    start_step=0,
):
    """Returns the dataset of `pretraining_dataset` for text.

    Workers share documents when the split repeats, and otherwise the rows of
    each batch, so that all have the same number of batches.

    Args:
        corpora: list of `keras_rtd.data.corpora.Corpus`, resolved.
        tokenizer: has `tokenize` for graphs.
        options: `keras_rtd.data.dataset.BatchOptions`.
        reading: `keras_rtd.data.readers.Reading`.
        validation_fraction, shuffle_buffer, start_step: see
            `pretraining_dataset`.

    Raises:
        ValueError: A bad file, or the split has no documents.
    """
    worker, workers = options.shard
    by_document = options.repeat and workers > 1
    size = windows.capacity(options.sequence_length, options.segments)
    scans = [
        holdout.scan_corpus(
            corpus.data,
            reading,
            validation_fraction,
            # Datasets may be streams without an end.
            None
            if all(isinstance(file, str) for file in corpus.data)
            else (workers, shuffle_buffer * size),
        )
        for corpus in corpora
    ]
    shard = (worker, workers) if by_document else (0, 1)
    thresholds = [scan.threshold for scan in scans]
    by_characters = []
    for corpus, scan in zip(corpora, scans):
        _check_split(corpus, scan, options, validation_fraction)
        density = _check_tokens(
            blocks_of_documents(
                [corpus], options, reading, [scan.threshold], shard
            ),
            tokenizer,
            options,
            corpus.name or "the corpus",
        )
        by_characters.append(corpus._replace(weight=corpus.weight / density))
    blocks = functools.partial(
        blocks_of_documents, by_characters, options, reading, thresholds, shard
    )

    dataset = tf.data.Dataset.from_generator(
        stoppable(functools.partial(blocks, options.repeat), _PATIENCE),
        output_signature=(
            tf.TensorSpec([], tf.int64),
            tf.TensorSpec([None], tf.string),
        ),
    )
    dataset = dataset.prefetch(2).map(
        streaming_rows.block_to_rows(
            tokenizer, options, _tf_seed(options.seed, _WINDOWS)
        ),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    if options.split == "train":
        # A small corpus does not have to be read often to fill the buffer.
        most = sum(
            scan.num_characters // size + scan.num_documents for scan in scans
        )
        dataset = dataset.rebatch(min(shuffle_buffer, most))
        dataset = dataset.enumerate().map(_shuffle_rows(options)).prefetch(1)
    rows = options.batch_size * (1 if by_document else workers)
    dataset = dataset.rebatch(rows, drop_remainder=options.repeat)
    dataset = dataset.skip(start_step).enumerate(start_step)
    return dataset.map(
        _rows_to_batch(tokenizer, options, rows, by_document),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    ).prefetch(tf.data.AUTOTUNE)


def _shuffle_rows(options):
    """A buffer's rows in random order, the same for the same buffer."""
    # Dataset.shuffle would depend on TensorFlow's global seed as well.
    seed = _tf_seed(options.seed, _SHUFFLE)

    def shuffle_rows(number, rows):
        return tf.random.experimental.stateless_shuffle(
            rows, tf.random.experimental.stateless_fold_in(seed, number)
        )

    return shuffle_rows


def _rows_to_batch(tokenizer, options, rows, by_document):
    """Packed rows of a step to the masked batch of this worker."""
    xp = tf.experimental.numpy
    seed = _tf_seed(options.seed, _MASKS)
    worker, workers = options.shard
    if by_document:
        seed = tf.random.experimental.stateless_fold_in(seed, worker)
    word_starts = tf.constant(tokenizer.is_word_start)

    def rows_to_batch(step, packed):
        missing = rows - tf.shape(packed)[0]
        packed = tf.pad(
            packed,
            [[0, missing], [0, 0]],
            constant_values=streaming_rows.PADDING,
        )
        packed = tf.ensure_shape(packed, [rows, options.sequence_length])
        noise = tf.random.stateless_uniform(
            [options.masking.noise_planes, rows, options.sequence_length],
            tf.random.experimental.stateless_fold_in(seed, step),
        )
        if not by_document:
            packed = packed[worker::workers]
            noise = noise[:, worker::workers]
        padding_mask = packed >= 0
        base = streaming_rows.base(options)
        numbers = tf.where(padding_mask, packed % base, 0)
        token_ids = tf.where(
            padding_mask, packed // base, tokenizer.pad_token_id
        )
        masked = mask_tokens(
            xp,
            token_ids,
            padding_mask,
            noise,
            options=options.masking,
            mask_token_id=tokenizer.mask_token_id,
            excluded_ids=options.masking.excluded_ids(
                tokenizer.special_token_ids, tokenizer.unk_token_id
            ),
            word_start=tf.gather(word_starts, token_ids),
        )
        if options.packing:
            groups = {
                "segment_ids": tf.zeros_like(numbers),
                "document_ids": numbers,
            }
        else:
            groups = {"segment_ids": numbers}
        return {
            "token_ids": token_ids,
            "padding_mask": padding_mask,
            **groups,
            **masked,
        }

    return rows_to_batch


def _check_split(corpus, scan, options, validation_fraction):
    held_out = scan.num_held_out
    in_split = {
        "train": scan.num_documents - held_out,
        "validation": held_out,
    }[options.split]
    name = f"The corpus {corpus.name}" if corpus.name else "The corpus"
    first = corpus.data[0]
    first = first if isinstance(first, str) else first.name
    if not in_split:
        raise ValueError(
            f"{name} has no text for split={options.split!r}: of its "
            f"{scan.num_documents} document(s), {held_out} are held out "
            f"(validation_fraction={validation_fraction}; {len(corpus.data)} "
            f"file(s), first {first}). {scan.advice}".rstrip()
        )
    workers = options.shard[1]
    if options.repeat and in_split < workers:
        raise ValueError(
            f"{name} has {in_split} document(s) for "
            f"split={options.split!r}, fewer than the {workers} workers of "
            f"shard={options.shard}. {scan.advice}".rstrip()
        )


def _check_tokens(blocks, tokenizer, options, name):
    """Says how the beginning of the text suits the tokenizer and the rows.

    Endless reading of text without tokens would never give a batch.

    Returns:
        float, tokens per character.
    """
    room = windows.capacity(options.sequence_length, options.segments)
    special = options.sequence_length - room
    unknown = total = rows = characters = 0
    for _, block in blocks:
        texts = [
            text
            for text, end in zip(block, itertools.accumulate(map(len, block)))
            if end < _SAMPLE_CHARACTERS
        ]
        texts = texts or block[:1]
        tokens, lines, counts = encode_documents(tokenizer, texts)
        first_lines = np.cumsum(counts) - counts
        lengths = np.add.reduceat(lines, first_lines)
        rows += int((-(-lengths // room)).sum())
        total += len(tokens)
        if tokenizer.unk_token_id is not None:
            unknown += int((tokens == tokenizer.unk_token_id).sum())
        characters += sum(map(len, texts))
        if total and characters >= _SAMPLE_CHARACTERS // 2:
            break
    if not total:
        raise ValueError(
            "The tokenizer finds no token in the text for "
            f"split={options.split!r}, shard={options.shard}."
        )
    if options.split == "train":
        advice.check_unknown(unknown, total, f"the beginning of {name}")
        if not options.packing:
            advice.warn_of_padding(
                total + rows * special, rows * options.sequence_length
            )
    return total / characters


def _tf_seed(seed, purpose):
    """Two int32, as TensorFlow's stateless functions take them."""
    key = counter_random.stream_key(seed, purpose)
    return (key.view(np.uint32) >> 1).astype(np.int32)
