"""The dataset that pre-training reads."""

import concurrent.futures
import dataclasses
import functools
import importlib.util
import itertools
import sys
from typing import Any

import keras
import numpy as np

from keras_rtd.data import corpora
from keras_rtd.data import corpus
from keras_rtd.data import holdout
from keras_rtd.data import storage
from keras_rtd.data import windows
from keras_rtd.data.interpreter_exit import stoppable
from keras_rtd.data.mixing import open_prepared
from keras_rtd.data.mixing import prepared_batches
from keras_rtd.data.readers import Reading
from keras_rtd.layers.masking import MaskingOptions
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.utils.hardware import keep_tensorflow_off_gpus
from keras_rtd.utils.setting import check_int
from keras_rtd.utils.setting import is_int
from keras_rtd.utils.types import Dataset
from keras_rtd.utils.types import Path

_REBUILD = "_keras_rtd_rebuild"
_BATCHES_AHEAD = 2

# Seconds in which the batches ahead have surely been made.
_PATIENCE = 0.2


@dataclasses.dataclass(frozen=True)
class BatchOptions:
    """What batches are like, wherever the text comes from.

    The arguments are those of `pretraining_dataset`; `masking` is a
    `keras_rtd.layers.masking.MaskingOptions`.
    """

    sequence_length: int
    batch_size: int
    seed: int
    split: str
    repeat: bool
    shard: tuple[int, int]
    segments: str
    masking: MaskingOptions
    packing: bool = False

    def __post_init__(self):
        check_int("sequence_length", self.sequence_length, 8)
        check_int("batch_size", self.batch_size, 1)
        check_int("seed", self.seed, 0, 2**63 - 1)
        if self.split not in storage.SPLITS:
            raise ValueError(
                f"`split` must be one of {storage.SPLITS}. "
                f"Received: split={self.split!r}"
            )
        resolved = windows.resolve_segments(self.segments, self.packing)
        for name, value in zip(("segments", "packing"), resolved):
            object.__setattr__(self, name, value)
        valid = (
            isinstance(self.shard, (tuple, list))
            and len(self.shard) == 2
            and all(map(is_int, self.shard))
            and 0 <= self.shard[0] < self.shard[1]
        )
        if not valid:
            raise ValueError(
                "`shard` must be (i, n), worker i of n, with 0 <= i < n. "
                f"Received: shard={self.shard!r}"
            )


def pretraining_dataset(
    data: Any,
    tokenizer: Tokenizer | None = None,
    sequence_length: int = 128,
    batch_size: int = 128,
    seed: int = 0,
    split: str = "train",
    repeat: bool | None = None,
    start_step: int = 0,
    shard: tuple[int, int] = (0, 1),
    mask_rate: float = 0.15,
    keep_rate: float = 0.15,
    with_replacement: bool = False,
    whole_words: bool = False,
    max_ngram: int = 1,
    mask_windows: bool = False,
    segments: str = "pair",
    packing: bool = False,
    documents: str = "blank_line",
    text_field: str = "text",
    errors: str = "strict",
    validation_fraction: float = 0.01,
    shuffle_buffer: int = 16384,
    verify: bool = True,
    replacements: Path | None = None,
    encoding: str | None = None,
    skip_bad: bool = False,
) -> Dataset:
    """Returns masked batches of text, the input of `ElectraPretrainer`.

    Text is read, tokenized and shuffled on the fly, in a TensorFlow graph. A
    directory made by `keras_rtd.data.prepare_corpus` is shuffled as
    a whole, starts at any step at once, and needs no TensorFlow. All of the
    text is used: what does not fit into a window begins the next one.

    Args:
        data: one of
            - a path or a list of paths: files in a format of
              `keras_rtd.data.readers`, plain or compressed, directories,
              globs, `gs://` and other `://` paths;
            - one directory that `keras_rtd.data.prepare_corpus` made;
            - a `datasets.Dataset` or `datasets.IterableDataset`, a
              `tf.data.Dataset` of strings, or a function that returns an
              iterator of str or of dicts with `text_field`;
            - several of these with weights: a list of str
              `"NAME=PATH:WEIGHT"`, or a dict `{name: (data, weight)}`. The
              endless train split mixes them by weight; what is read once
              has all of each.
        tokenizer: `keras_rtd.tokenizers.Tokenizer`; for a prepared
            directory it may be `None`, and is checked otherwise.
        sequence_length: int, L, at least 8. Defaults to `128`.
        batch_size: int, B, rows per worker. Defaults to `128`.
        seed: int, decides order, windows and masks. Defaults to `0`.
        split: `"train"` or `"validation"`. Defaults to `"train"`.
        repeat: bool. `None`, the default, repeats the train split endlessly
            and reads the validation split once. A last batch that is not
            full is filled with rows of padding.
        start_step: int, the first step. On-the-fly data is read up to there.
            Defaults to `0`.
        shard: tuple `(i, n)`, worker i of n. Defaults to `(0, 1)`.
        mask_rate, keep_rate, with_replacement, whole_words, max_ngram: see
            `keras_rtd.layers.masking.MaskingOptions`.
        mask_windows: bool. Choose masked positions as microsoft/DeBERTa does,
            `windows` of `MaskingOptions`. Defaults to `False`.
        segments: `"pair"` (`[CLS] A [SEP] B [SEP]`; one window in ten has
            only A, one in twenty is shorter) or `"single"` (full windows of
            one segment). Defaults to `"pair"`.
        packing: bool. Several documents share a row, each `[CLS] A [SEP]`
            whatever `segments` says, so that hardly any padding is left;
            attention stays within a document. Defaults to `False`.
        documents, text_field, errors, encoding, skip_bad,
            validation_fraction: see `keras_rtd.data.prepare_corpus`;
            prepared data has its own.
        shuffle_buffer: int, windows among which on-the-fly data is shuffled.
            Defaults to `16384`.
        verify: bool, check the checksums of prepared data, once per process.
            Defaults to `True`.
        encoding: str, of text files without a byte order mark. `None`, the
            default, is UTF-8.
        skip_bad: bool. Records without text are skipped and counted. Defaults
            to `False`, they are an error.
        replacements: str or path, what `python -m
            keras_rtd.pretraining.draw_replacements` wrote for prepared data
            with these settings: the train split's batches then have
            `sampled_ids` (B, K) int32. Defaults to `None`.

    Returns:
        `tf.data.Dataset`, or `keras.utils.PyDataset` for prepared data
        without TensorFlow. An element is a dict of `token_ids`,
        `segment_ids`, `masked_token_ids` (B, L) int32, `padding_mask` (B, L)
        bool, `mask_positions`, `mask_ids` (B, K) int32 and `mask_weights`
        (B, K) float32; K is `int((mask_rate + 0.005) * L)`, with
        `mask_windows` `round(mask_rate * L)`, at least 1. With
        `packing` also `document_ids` (B, L) int32, from 1 in
        every row, 0 for padding.

    Raises:
        ValueError: A bad argument, bad files, a split without text, an
            iterator (which can be read only once), or text of which over half
            of the tokens are unknown.
        ImportError: Text, and TensorFlow is not installed, or the package
            of a format is not.

    Example:

    ```python
    dataset = keras_rtd.data.pretraining_dataset(
        "corpus/*.txt", tokenizer=tokenizer, batch_size=64
    )
    pretrainer.fit(dataset, steps_per_epoch=1000)
    ```
    """
    if repeat is None:
        repeat = split == "train"
    options = BatchOptions(
        sequence_length=sequence_length,
        batch_size=batch_size,
        seed=seed,
        split=split,
        repeat=bool(repeat),
        shard=shard,
        segments=segments,
        packing=packing,
        masking=MaskingOptions(
            mask_rate,
            keep_rate,
            with_replacement,
            whole_words,
            max_ngram,
            mask_windows,
        ),
    )
    check_int("start_step", start_step, 0, 2**53)
    prepared = open_prepared(data, tokenizer, verify)
    if replacements is not None and (len(prepared) != 1 or split != "train"):
        raise ValueError(
            "`replacements` go with the train split of prepared data, of one "
            f"corpus. Received: split={split!r} of {len(prepared)} prepared "
            "corpora"
        )
    if prepared:
        batches = prepared_batches(prepared, options, replacements)
        if _tensorflow_is_installed():
            rebuild = functools.partial(_graph_dataset, batches)
        else:
            rebuild = functools.partial(PreparedDataset, batches)
    else:
        check_int("shuffle_buffer", shuffle_buffer, 1)
        reading = Reading(documents, text_field, errors, encoding, skip_bad)
        corpus.check_reading(reading)
        holdout.check_validation_fraction(validation_fraction)
        resolved = corpora.resolve(data)
        if not _tensorflow_is_installed():
            raise ImportError(
                "Text is tokenized on the fly with TensorFlow, which is not "
                "installed. Install tensorflow and tensorflow-text, or "
                "run `python -m keras_rtd.data.prepare` once and pass its "
                "output directory."
            )
        if tokenizer is None:
            raise ValueError("`tokenizer` is needed to read text.")
        from keras_rtd.data.streaming import streaming_dataset

        rebuild = functools.partial(
            streaming_dataset,
            resolved,
            tokenizer,
            options,
            reading,
            validation_fraction,
            shuffle_buffer,
        )
    return at_step(rebuild, start_step)


def resume_at(dataset: Dataset, step: int) -> Dataset:
    """Returns a dataset as it goes on from a step.

    Args:
        dataset: a dataset of `pretraining_dataset`, or any `tf.data.Dataset`,
            whose first `step` batches are then read and dropped.
        step: int, counted from where the training began (step 0), not from
            where `dataset` starts if it was made by `pretraining_dataset`.

    Returns:
        A dataset of the same kind.

    Raises:
        TypeError: The dataset is of another kind.
    """
    check_int("step", step, 0, 2**53)
    if hasattr(dataset, _REBUILD):
        return at_step(getattr(dataset, _REBUILD), step)
    if hasattr(dataset, "skip"):
        return dataset.skip(step)
    raise TypeError(
        "A run can only be resumed with a dataset of "
        "`keras_rtd.data.pretraining_dataset` or a `tf.data.Dataset`. "
        f"Received: {type(dataset).__name__}"
    )


def begins_at(dataset, step):
    """A dataset whose `step` is the first of the given one."""
    if not step:
        return dataset
    make = getattr(dataset, _REBUILD)
    return at_step(lambda start_step: make(start_step=start_step - step), step)


def iterate(dataset):
    """The batches of either kind of dataset, as dicts of NumPy arrays."""
    if isinstance(dataset, keras.utils.PyDataset):
        count = dataset.num_batches
        indices = itertools.count() if count is None else range(count)
        dataset = map(dataset.__getitem__, indices)
    for batch in dataset:
        yield {
            name: np.asarray(keras.ops.convert_to_numpy(value))
            for name, value in batch.items()
        }


class PreparedDataset(keras.utils.PyDataset):
    """Batches of prepared data for Keras, without TensorFlow.

    The next batches are made on a thread while one is in use.

    Args:
        batches: `PreparedBatches`.
        start_step: int, the step of batch 0. Defaults to `0`.
    """

    def __init__(self, batches, start_step=0):
        super().__init__()
        self._batches = batches
        self.unigram_counts = getattr(batches, "unigram_counts", None)
        self._start_step = start_step
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._ahead = {}

    @property
    def num_batches(self):
        """int, or `None` if the batches repeat."""
        if self._batches.num_batches is None:
            return None
        return max(0, self._batches.num_batches - self._start_step)

    def __getitem__(self, index):
        if self.num_batches is not None and index >= self.num_batches:
            raise IndexError(f"There are {self.num_batches} batches.")
        ahead = {}
        for i in range(index, index + 1 + _BATCHES_AHEAD):
            ahead[i] = self._ahead.pop(i, None) or self._pool.submit(
                self._batches.batch, self._start_step + i
            )
        self._ahead = ahead
        return ahead.pop(index).result()


def _graph_dataset(batches, start_step=0):
    """The batches of prepared data as a `tf.data.Dataset`."""
    import tensorflow as tf

    keep_tensorflow_off_gpus()
    signature = {
        name: tf.TensorSpec(value.shape, value.dtype)
        for name, value in batches.batch(0).items()
    }
    dataset = tf.data.Dataset.from_generator(
        stoppable(functools.partial(batches.iterate, start_step), _PATIENCE),
        output_signature=signature,
    )
    dataset = dataset.prefetch(_BATCHES_AHEAD)
    dataset.unigram_counts = getattr(batches, "unigram_counts", None)
    return dataset


def at_step(rebuild, start_step):
    """`rebuild(start_step=...)`, a dataset that `resume_at` can make again."""
    dataset = rebuild(start_step=start_step)
    setattr(dataset, _REBUILD, rebuild)
    return dataset


def _tensorflow_is_installed():
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"] is not None
    return importlib.util.find_spec("tensorflow") is not None
