"""Documents that Python gives: datasets of other libraries, and functions.

They are read as a file is: in blocks that are the same each time.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from collections.abc import Mapping

from keras_rtd.data.readers.records import check_field
from keras_rtd.data.readers.records import field_of
from keras_rtd.data.readers.records import pieces

HOW = (
    "Pass a function that returns a new iterator, such as `lambda: "
    "read_my_texts()`, a `datasets.Dataset` or `datasets.IterableDataset`, a "
    "`tf.data.Dataset` of strings, or paths of files (a list of them, if this "
    "gives paths)"
)
_ROWS = 1000


def is_paths(data):
    """Whether data are paths, or a list of data, and no Python records."""
    return isinstance(data, (str, os.PathLike, list, tuple, set, frozenset))


class PythonRecords:
    """Documents of an object, as `keras_rtd.data.corpus.read_blocks` reads it.

    Args:
        data: `datasets.Dataset` or `datasets.IterableDataset`; a
            `tf.data.Dataset` of strings, or of dicts with one; a function
            without arguments that returns an iterator; or another object that
            gives a new iterator each time. The items are str, or mappings
            with the text in `text_field`.

    Attributes:
        name: str, for messages.

    Raises:
        ValueError: An iterator, which can be read once only; a dict of
            datasets; a dataset that repeats endlessly or is not of strings;
            something else.
    """

    def __init__(self, data):
        kind = type(data)
        library = kind.__module__.partition(".")[0]
        self.name = f"{library}.{kind.__name__}"
        self._data = data
        self._begin = None
        if isinstance(data, Iterator):
            raise ValueError(
                f"{self.name} can be read only once, but training reads its "
                "text again: to hold documents out, to repeat, to resume. "
                f"{HOW}."
            )
        tf_data = _tf_data()
        if isinstance(data, Mapping) or hasattr(data, "keys"):
            names = ", ".join(map(repr, data.keys()))
            raise ValueError(
                f"{self.name} holds several things ({names}). Pass one of "
                f"them, such as data[{next(iter(data.keys()), 'train')!r}], or "
                "several as weighted corpora."
            )
        elif library == "datasets" and hasattr(data, "select_columns"):
            self._items = self._of_datasets
        elif tf_data is not None and isinstance(data, tf_data):
            self._check_tensors()
            self._items = self._of_tensors
        elif callable(data):
            self.name = getattr(data, "__qualname__", self.name)
            self._items = self._of_function
        elif hasattr(data, "__iter__"):
            self._items = self._of_iterable
        else:
            raise ValueError(f"{self.name} holds no text to read. {HOW}.")

    def pieces(self, reading, first=0):
        """Yields `Piece`s, see `keras_rtd.data.readers.Format`.

        Raises:
            ValueError: A bad record; other documents than the first time.
        """
        values = enumerate(self._items(reading.text_field), 1)
        named = ((f"record {number}", value) for number, value in values)
        # The first block is read each time, to see that it is the same.
        for index, piece in enumerate(pieces(named, reading, self.name)):
            if not index:
                self._check_same(piece.texts)
            yield piece if index >= first else None

    def fingerprint(self):
        """str, of the first block and the number of items if it is known."""
        known = hasattr(self._data, "__len__")
        return f"{self._begin} {len(self._data)}" if known else self._begin

    def _check_same(self, texts):
        begin = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        if self._begin not in (None, begin):
            raise ValueError(
                f"{self.name} gives other documents than the first time, so "
                "that no run could be resumed. Shuffle it with a fixed seed "
                "(in tf.data with reshuffle_each_iteration=False), and let a "
                "function make a new iterator at each call."
            )
        self._begin = begin

    def _of_datasets(self, field):
        data = self._data
        if data.column_names is not None:
            check_field(self.name, data.column_names, field)
            data = data.select_columns([field])
        for batch in data.with_format(None).iter(_ROWS):
            if field not in batch:
                check_field(self.name, list(batch), field)
            yield from batch[field]

    def _check_tensors(self):
        tf = sys.modules["tensorflow"]
        if self._data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                f"{self.name} repeats endlessly. Pass it without `.repeat()`: "
                "the train split repeats by itself."
            )
        specs = self._data.element_spec
        specs = specs if isinstance(specs, dict) else {"": specs}
        for spec in specs.values():
            rank = getattr(getattr(spec, "shape", None), "rank", None)
            if isinstance(spec, tf.TensorSpec) and spec.dtype == tf.string:
                if rank in (0, 1):
                    return
        raise ValueError(
            f"{self.name} must be of strings, or dicts with one: scalars or "
            f"vectors of tf.string. Its elements are {self._data.element_spec}."
        )

    def _of_tensors(self, field):
        import numpy as np

        for item in self._data.as_numpy_iterator():
            if isinstance(item, Mapping):
                if field not in item:
                    check_field(self.name, list(item), field)
                item = item[field]
            yield from np.ravel(item).tolist()

    def _of_function(self, field):
        items = self._data()
        if isinstance(items, (str, bytes)) or not hasattr(items, "__iter__"):
            raise ValueError(
                f"{self.name} must return an iterator of str, or of dicts with "
                f"the field {field!r}. Received: {type(items).__name__}"
            )
        return self._texts(items, field)

    def _of_iterable(self, field):
        return self._texts(self._data, field)

    def _texts(self, items, field):
        for item in items:
            text = isinstance(item, (str, bytes)) or item is None
            yield item if text else field_of(item, field)


def _tf_data():
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow and tensorflow.data.Dataset
