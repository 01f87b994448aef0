"""JSON lines: a record is a document, one of its fields the text."""

import json

from keras_rtd.data.readers.protocol import Piece
from keras_rtd.data.readers.text import BLANK_LINE
from keras_rtd.data.readers.text import cut
from keras_rtd.data.readers.text import decode


def read(source, reading, first):
    """Yields the blocks of a file of JSON lines; see `readers.Format`."""
    line_number, offset = 1, 0
    blocks = cut(source, "line", may_cut_documents=False)
    for index, (raw, _) in enumerate(blocks):
        if index < first:
            yield None
        else:
            text = decode(raw, reading.errors, source.path, offset)
            yield Piece(_texts(text, reading, source.path, line_number))
        line_number += raw.count(b"\n")
        offset += len(raw)


def _texts(text, reading, path, line_number):
    texts = []
    for number, line in enumerate(text.split("\n"), line_number):
        if not line.strip():
            continue
        try:
            value = json.loads(line)[reading.text_field]
            if not isinstance(value, str):
                raise TypeError(f"field {reading.text_field!r} is not a string")
            if reading.errors == "strict":
                value.encode()
            else:
                value = value.encode("utf-16", "surrogatepass")
                value = value.decode("utf-16", "replace")
        except KeyError:
            reason = f"the record has no field {reading.text_field!r}"
        except UnicodeEncodeError:
            reason = 'half a surrogate pair (errors="replace" reads U+FFFD)'
        except (ValueError, TypeError) as error:
            reason = str(error)
        else:
            value = BLANK_LINE.sub("\n", value.replace("\r\n", "\n")).strip()
            texts += [value] if value else []
            continue
        raise ValueError(f"{path}, line {number}: {reason}.")
    return texts
