"""JSON that others wrote: bounded, and its types checked where it is used.

Every error is a `ValueError` of one line that names the file, and the place in
it: `train.json: data[3].paragraphs[0].qas must be a list`.
"""

import json
import math
import reprlib

from keras_rtd.utils.reading import LARGEST
from keras_rtd.utils.reading import read_utf8

# Deeper values end in a RecursionError where they are copied or written.
DEEPEST = 100
# Objects and lists of one depth; SQuAD has 220,000 answers.
_MOST_INNER = 5_000_000
# JSON's names for the types of Python.
WORDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}
# The largest number that every program which reads JSON knows exactly.
LARGEST_INT = 2**53

_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxdict, _repr.maxlist = 2, 4, 4
_repr.maxtuple, _repr.maxstring, _repr.maxother = 4, 80, 80


def shown(value):
    """A value as messages show it: short, whatever its size."""
    try:
        return _repr.repr(value)
    except ValueError:  # an int of more digits than Python writes
        return f"a number of about {int(math.log10(abs(value))):,} digits"


def parse(text, where):
    """The value of a JSON text.

    Args:
        text: str or bytes.
        where: str or path. Names the source in messages.

    Raises:
        ValueError: not JSON, or nested more than 100 deep.
    """
    opening = ("{", "[") if isinstance(text, str) else (b"{", b"[")
    # Two bytes of a file are 64 of memory.
    if sum(map(text.count, opening)) > _MOST_INNER:
        raise ValueError(f"{where} has more than {_MOST_INNER:,} values.")
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep(where) from None
    except ValueError as error:
        raise ValueError(f"{where} is not JSON: {error}.") from None
    check_depth(value, where)
    return value


def check_depth(value, where, most=_MOST_INNER):
    """Raises `ValueError` for values nested more than 100 deep, or with more
    than `most` lists and objects at one depth."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
        if len(level) > most:
            raise ValueError(f"{where} has too many values in values.")
    raise _too_deep(where)


def _too_deep(where):
    return ValueError(f"{where} is nested more than {DEEPEST} deep.")


def read(path, largest=LARGEST):
    """The value of a JSON file.

    Args:
        path: str or path.
        largest: int, the most bytes that are read.

    Raises:
        ValueError: as `parse`, or the file is larger, not UTF-8 or no regular
            one.
        OSError: there is no such file.
    """
    return parse(read_utf8(path, largest), path)


def read_object(path, largest=LARGEST):
    """As `read`, of a file that must hold an object: dict."""
    return Node(read(path, largest), path).of(dict)


class Node:
    """A value of a JSON file that knows where it stands.

    Args:
        value: what JSON gives.
        file: str or path. Names the source in messages.

    Example:
        >>> Node({"data": [1]}, "a.json")["data"].items()[0].of(str)
        ValueError: a.json: data[0] must be a string. Received: 1
    """

    __slots__ = ("value", "file", "_parent", "_key")

    def __init__(self, value, file, parent=None, key=None):
        self.value, self.file = value, file
        self._parent, self._key = parent, key

    @property
    def place(self):
        """Where in the file, such as `data[3].paragraphs`; "" at the top."""
        if self._parent is None:
            return ""
        before = self._parent.place
        if isinstance(self._key, int):
            return f"{before}[{self._key}]"
        key = self._key if len(self._key) < 80 else f"{self._key[:79]}…"
        return f"{before}.{key}" if before else key

    def error(self, message):
        """A `ValueError` that begins with file and place."""
        return ValueError(f"{self.file}: {self.place or 'the top'} {message}")

    def of(self, kind):
        """The value, which must be of a type.

        Args:
            kind: `dict`, `list`, `str`, `bool`, `int` (at most 2**53) or
                `float` (finite; ints are too).
        """
        value = self.value
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if kind is int:
            fits = number and isinstance(value, int)
            fits = fits and abs(value) <= LARGEST_INT
        elif kind is float:
            fits = number and abs(value) < math.inf
            fits = fits and (isinstance(value, float) or value < 10**300)
        else:
            fits = isinstance(value, kind)
        if not fits:
            raise self.error(f"must be {WORDS[kind]}. Received: {shown(value)}")
        return value

    def __getitem__(self, key):
        """The member of an object."""
        if key not in self.of(dict):
            raise self.error(f"has no {key!r}.")
        return Node(self.value[key], self.file, self, key)

    def get(self, key):
        """The member of an object, or `None` where it is absent or null."""
        if self.of(dict).get(key) is None:
            return None
        return Node(self.value[key], self.file, self, key)

    def items(self):
        """The members of a list, each a `Node`."""
        return [
            Node(value, self.file, self, index)
            for index, value in enumerate(self.of(list))
        ]
