"""What is given as data: one corpus, or several with weights."""

import math
import os
import re
from typing import Any
from typing import NamedTuple

from keras_rtd.data.files import resolve_files
from keras_rtd.data.python_records import PythonRecords
from keras_rtd.data.python_records import is_paths

# NAME=PATH:WEIGHT; the path may have "=" and ":" in it.
_WEIGHTED = re.compile(r"([\w.-]+)=(.+):([-+.\w]+)", re.DOTALL)
FORM = "NAME=PATH:WEIGHT, such as wiki=wiki/*.txt:0.7"


class Corpus(NamedTuple):
    """A corpus that is mixed with others by weight, or the only one.

    Attributes:
        name: str, or `None` for the only one.
        weight: float, above 0. Its share of the text that training reads is
            this part of the sum of all weights.
        data: what is read: paths, or Python records; after `resolve` list
            of str and of `PythonRecords`.
    """

    name: str | None
    weight: float
    data: Any


def parse(data):
    """The corpora that data stand for.

    Args:
        data: anything that `keras_rtd.data.pretraining_dataset` takes.

    Returns:
        list of `Corpus`.

    Raises:
        ValueError: Weights that are none, equal names, or corpora with and
            without a weight.
    """
    if type(data) is dict:
        corpora = [_of_item(name, value) for name, value in data.items()]
    else:
        paths = [data] if isinstance(data, (str, os.PathLike)) else data
        if not isinstance(paths, (list, tuple)):
            return [Corpus(None, 1.0, data)]
        corpora = [_of_text(path) for path in paths]
        if not any(corpora):
            return [Corpus(None, 1.0, data)]
        if not all(corpora):
            plain = paths[corpora.index(None)]
            raise ValueError(
                f"Some corpora have a weight, and {plain!r} has none. Give "
                f"each as {FORM}."
            )
    for corpus in corpora:
        if not corpus.weight > 0 or math.isinf(corpus.weight):
            raise ValueError(
                f"The weight of the corpus {corpus.name!r} must be a number "
                f"above 0. Received: {corpus.weight}"
            )
    names = [corpus.name for corpus in corpora]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"Two corpora have the name {name!r}. Give each a name of its "
                "own; a glob or a folder stands for many files."
            )
    return corpora


def resolve(data):
    """The corpora of data, with the files and records that are read.

    Args:
        data: see `parse`.

    Returns:
        list of `Corpus`.

    Raises:
        ValueError: See `parse`, `resolve_files` and `PythonRecords`.
    """
    return [
        corpus._replace(data=_sources(corpus.data)) for corpus in parse(data)
    ]


def _sources(data):
    if not is_paths(data):
        return [PythonRecords(data)]
    if isinstance(data, (str, os.PathLike)):
        return _files(data)
    others = [item for item in data if not isinstance(item, (str, os.PathLike))]
    paths = [item for item in data if isinstance(item, (str, os.PathLike))]
    files = _files(paths) if paths or not others else []
    return files + [PythonRecords(item) for item in others]


def _files(paths):
    try:
        return resolve_files(paths)
    except ValueError as error:
        texts = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        if any(re.match(r"[\w.-]+=", os.fspath(text)) for text in texts):
            raise ValueError(
                f"{error} A corpus with a weight is {FORM}."
            ) from error
        raise


def _of_item(name, value):
    """A corpus of `{name: (data, weight)}`."""
    good = isinstance(value, (tuple, list)) and len(value) == 2
    if not good or not isinstance(value[1], (int, float)):
        raise ValueError(
            f"data[{name!r}] must be a pair (data, weight). Received: {value!r}"
        )
    return Corpus(str(name), float(value[1]), value[0])


def _of_text(text):
    """A corpus of NAME=PATH:WEIGHT, or `None` for a path."""
    if not isinstance(text, str) or os.path.exists(text):
        return None
    match = _WEIGHTED.fullmatch(text)
    if match is None:
        return None
    name, path, weight = match.groups()
    try:
        return Corpus(name, float(weight), path)
    except ValueError:
        return None
