"""CSV and TSV: a row is a document, one of its columns the text.

The first line names the columns.
"""

import csv
import io
import itertools

from keras_rtd.data.readers.records import BadRecord
from keras_rtd.data.readers.records import check_field
from keras_rtd.data.readers.records import pieces
from keras_rtd.data.readers.text import cut
from keras_rtd.data.readers.utf8 import TextStream

SUFFIXES = (".csv", ".tsv", ".tab")
_DELIMITERS = {".csv": ",;\t|", ".tsv": "\t,;|", ".tab": "\t,;|"}
_LONGEST_FIELD = 1 << 30


def read(source, reading, first):
    """Yields the blocks of a table; see `readers.Format`."""
    stream = TextStream(source, reading, reading.skip_bad)
    yield from pieces(_rows(stream, reading), reading, source.path, first)


def _rows(stream, reading):
    # Python's limit is for all readers of the process.
    csv.field_size_limit(max(_LONGEST_FIELD, csv.field_size_limit()))
    lines = _lines(stream)
    header = next(lines, "")
    if not header.strip():
        return
    delimiter, names = _columns(stream, header, reading.text_field)
    check_field(stream.path, names, reading.text_field)
    column = names.index(reading.text_field)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        where = f"line {rows.line_num + 2}"
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield where, BadRecord(str(error))
            continue
        if len(row) == len(names):
            yield where, row[column]
        elif row:
            yield (
                where,
                BadRecord(
                    f"the row has {len(row)} columns, the header {len(names)}"
                ),
            )


def _columns(stream, header, field):
    """(delimiter, names of the columns): the first delimiter that gives the
    wanted column, else the one that gives most columns."""
    found = []
    suffix = next((s for s in SUFFIXES if stream.name.endswith(s)), ".csv")
    for delimiter in _DELIMITERS[suffix]:
        names = next(csv.reader([header], delimiter=delimiter), [])
        names = [name.strip() for name in names]
        if field in names:
            return delimiter, names
        found.append((delimiter, names))
    return max(found, key=lambda pair: len(pair[1]))


def _lines(stream):
    """Iterator of lines with their newlines; other separators are no ends."""
    blocks = cut(stream, "line", may_cut_documents=False)
    return itertools.chain.from_iterable(
        io.StringIO(stream.decode(raw), newline="\n") for raw, _ in blocks
    )
