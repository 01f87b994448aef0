"""Character classes of BERT's normaliser, from Python's own Unicode data.

Everything here is derived from `unicodedata` and `str.lower` of the running
Python, so that the Python path and the TensorFlow graph agree whatever version
of Unicode either of them carries. Tables are built on first use.
"""

import functools
import re
import sys
import unicodedata
from typing import NamedTuple

import numpy as np

NUM_CODE_POINTS = sys.maxunicode + 1
PAGE_BITS = 8
PAGE_SIZE = 1 << PAGE_BITS

# Classes of a code point, the low bits of `properties()`.
NORMAL, DROPPED, MARK, SPACE, ISOLATED = range(5)
CLASS_BITS = 7
CASED = 8
CASE_IGNORABLE = 16
COMBINING_SHIFT = 8

CAPITAL_SIGMA = 0x3A3
FINAL_SIGMA = 0x3C2
SMALL_SIGMA = 0x3C3

# The blocks that BERT calls Chinese, google-research/electra
# model/tokenization.py `_is_chinese_char`.
CJK_BLOCKS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
ASCII_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
KEPT_CONTROLS = "\t\n\r"
JOINERS = "\u200c\u200d"


class PagedTable(NamedTuple):
    """A table over all code points in which equal pages are stored once.

    The value of code point `c` is
    `values[pages[c >> PAGE_BITS] * PAGE_SIZE + c % PAGE_SIZE]`.
    """

    pages: np.ndarray
    values: np.ndarray


class ExpansionTable(NamedTuple):
    """What each code point becomes; rows are found as in `PagedTable`.

    Row `r` is `values[row_splits[r] : row_splits[r + 1]]`.
    """

    pages: np.ndarray
    row_splits: np.ndarray
    values: np.ndarray


@functools.cache
def classes(keep_text=False):
    """Class of every code point.

    Args:
        keep_text: bool. Only controls, format characters and surrogates are
            dropped, and of those not U+200C and U+200D. Defaults to `False`,
            BERT's rule.

    Returns:
        uint8 array `(0x110000,)`: NORMAL; DROPPED by the cleaning (U+0000,
        U+FFFD and category C* but for tab, newline and return); MARK (Mn,
        dropped with the accents); SPACE; or ISOLATED (punctuation and CJK
        characters, each a word of its own).
    """
    categories = np.array(
        [unicodedata.category(chr(c)) for c in range(NUM_CODE_POINTS)]
    )
    major = categories.astype("U1")
    table = np.full(NUM_CODE_POINTS, NORMAL, np.uint8)
    table[categories == "Mn"] = MARK
    # The reference turns only Zs into spaces, but then splits with
    # `str.split`, which takes U+2028 (Zl) and U+2029 (Zp) for spaces too.
    table[major == "Z"] = SPACE
    table[major == "P"] = ISOLATED
    table[[ord(c) for c in ASCII_PUNCTUATION]] = ISOLATED
    for first, last in CJK_BLOCKS:
        table[first : last + 1] = ISOLATED
    if keep_text:
        table[np.isin(categories, ("Cc", "Cf", "Cs"))] = DROPPED
        table[[ord(c) for c in JOINERS]] = NORMAL
    else:
        table[(major == "C") | (np.arange(NUM_CODE_POINTS) == 0xFFFD)] = DROPPED
    table[[ord(c) for c in KEPT_CONTROLS]] = SPACE
    return table


def class_pattern(wanted, keep_text=False):
    """Regular expression set, as `[...]`, of all code points of a class."""
    members = classes(keep_text) == wanted
    edges = np.flatnonzero(np.diff(members, prepend=False, append=False))
    ranges = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return (
        "["
        + "".join(
            f"{re.escape(chr(first))}-{re.escape(chr(end - 1))}"
            for first, end in ranges
        )
        + "]"
    )


def _probe(before, after):
    """`str.lower` of `before + c + after` for every c, as code points.

    Surrogates, and U+0130 which becomes two characters, are left as spaces.
    """
    middle = np.arange(NUM_CODE_POINTS, dtype="<u4")
    middle[0xD800:0xE000] = 32
    middle[0x130] = 32
    columns = [np.full_like(middle, ord(c)) for c in before]
    columns.append(middle)
    columns += [np.full_like(middle, ord(c)) for c in after]
    text = np.stack(columns, axis=1).tobytes().decode("utf-32-le")
    lowered = np.frombuffer(text.lower().encode("utf-32-le"), "<u4")
    return lowered.reshape(NUM_CODE_POINTS, len(columns))


def _case_flags():
    """CASED and CASE_IGNORABLE, as Python's rule for the final sigma sees them.

    Python has no public access to these two properties, but its treatment of a
    capital sigma before the character gives them away.
    """
    followed = _probe("AΣ", " ")[:, 1]
    followed_by_cased = _probe("AΣ", "A ")[:, 1]
    flags = np.zeros(NUM_CODE_POINTS, np.int32)
    cased = followed == SMALL_SIGMA
    flags[cased] = CASED
    flags[~cased & (followed_by_cased == SMALL_SIGMA)] = CASE_IGNORABLE
    flags[0x130] = CASED
    return flags


def _paged(table):
    pages, inverse = np.unique(
        table.reshape(-1, PAGE_SIZE), axis=0, return_inverse=True
    )
    return PagedTable(inverse.reshape(-1).astype(np.int32), pages.reshape(-1))


@functools.cache
def properties(alphabet=None, marks=True):
    """Class, case flags and combining class of every code point.

    Args:
        alphabet: frozenset of str. What is not among these characters is
            ISOLATED. `None`, the default, for BERT's rules.
        marks: bool. Marks stay marks whether or not they are in the
            alphabet. Defaults to `True`.

    Returns:
        `PagedTable` of int32: the class in the lowest three bits, CASED,
        CASE_IGNORABLE, and the canonical combining class above
        COMBINING_SHIFT.
    """
    combining = np.array(
        [unicodedata.combining(chr(c)) for c in range(NUM_CODE_POINTS)],
        np.int32,
    )
    found = classes(alphabet is not None)
    if alphabet is not None:
        unknown = np.ones(NUM_CODE_POINTS, bool)
        unknown[[ord(c) for c in alphabet]] = False
        unknown &= (found == NORMAL) | ((found == MARK) & (not marks))
        found = np.where(unknown, ISOLATED, found).astype(np.uint8)
        # A space here; a dropped character elsewhere.
        found[0x200B] = SPACE
    return _paged(found | _case_flags() | (combining << COMBINING_SHIFT))


@functools.cache
def expansions(lowercase, strip_accents, keep_text=False):
    """What lowering and decomposing make of every code point by itself.

    Args:
        lowercase: bool. Apply `str.lower`.
        strip_accents: bool. Apply NFD; marks are still there.
        keep_text: bool. See `classes`.

    Returns:
        `ExpansionTable` of int32. Dropped code points have empty rows.
    """
    dropped = classes(keep_text) == DROPPED
    if keep_text:
        dropped = dropped & (np.arange(NUM_CODE_POINTS) != 0x200B)
    rows = []
    for code_point in range(NUM_CODE_POINTS):
        text = "" if dropped[code_point] else chr(code_point)
        if lowercase:
            text = text.lower()
        if strip_accents:
            text = unicodedata.normalize("NFD", text)
        rows.append(text)
    # The graph marks the ends of texts with U+0000, which must survive.
    rows[0] = "\0"
    page_index: dict[tuple, int] = {}
    page_of = [
        page_index.setdefault(tuple(rows[i : i + PAGE_SIZE]), len(page_index))
        for i in range(0, NUM_CODE_POINTS, PAGE_SIZE)
    ]
    kept = [row for page in page_index for row in page]
    values = np.frombuffer("".join(kept).encode("utf-32-le"), "<i4")
    row_splits = np.cumsum([0] + [len(row) for row in kept])
    return ExpansionTable(
        np.array(page_of, np.int32),
        row_splits.astype(np.int32),
        values.astype(np.int32),
    )
