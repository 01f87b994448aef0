"""The text of a file in any encoding, as UTF-8 bytes with newlines as "\\n".

Bytes are cut, searched and decoded in single calls on a whole block, so other
encodings are converted first.
"""

import codecs

_CHUNK = 1 << 19
# In this order: the mark of UTF-32 begins with that of UTF-16.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# More characters than that which are none: another encoding, or no text.
_MOST_BAD, _MOST_BAD_SHARE = 32, 0.05


def encoding_of(head, encoding=None):
    """How text is encoded.

    Args:
        head: bytes, how the file begins.
        encoding: str or `None`, the encoding without a byte order mark.

    Returns:
        (str, the codec's name; bytes, the byte order mark or none).
    """
    for mark, name in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return name, mark
    return codecs.lookup(encoding or "utf-8").name, b""


class TextStream:
    """The text of a `Source`.

    Args:
        source: `Source`, of which nothing has been read.
        reading: `Reading`.
        keeps_bad: bool. Bytes that are not UTF-8 become half surrogates, so
            that the bad records are found. Defaults to `False`.

    Attributes:
        path: str.
        name: str, see `Source`.
        encoding: str.
        line: int, number of the line at which the next block begins.
    """

    def __init__(self, source, reading, keeps_bad=False):
        self.path, self.name = source.path, source.name
        self.encoding, mark = encoding_of(source.head, reading.encoding)
        self.line = 1
        self._errors = reading.errors
        self._keeps_bad = keeps_bad
        self._source = source
        self._offset = len(source.read(len(mark)))
        # Bytes of the file, as long as they are those of the blocks.
        self._exact = self.encoding == "utf-8"
        self._decoder = None
        if not self._exact:
            decoder = codecs.getincrementaldecoder(self.encoding)
            self._decoder = decoder(self._errors)
        self._held = b""

    def read(self, size=_CHUNK):
        """Returns UTF-8 bytes, about `size`; none at the end of the file.

        Raises:
            ValueError: Bytes that are not in the encoding.
        """
        while True:
            chunk = self._source.read(size)
            data = self._held + self._convert(chunk)
            # The second half of a newline may follow.
            self._held = b"\r" if chunk and data.endswith(b"\r") else b""
            if self._held:
                data = data[:-1]
            if b"\r" in data:
                self._exact = False
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if data or not chunk:
                return data

    def _convert(self, chunk):
        if self._decoder is None:
            return chunk
        try:
            text = self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{self.path} is not {self.encoding}: {error.reason} "
                f"({error.object[error.start : error.end][:4]!r}). Name its "
                "encoding: encoding=NAME (--encoding=NAME)."
            ) from error
        return text.encode("utf-8", "replace")

    def pass_over(self, raw):
        """Takes a block as read that is not wanted as text."""
        self.line += raw.count(b"\n")
        self._offset += len(raw)

    def decode(self, raw):
        """The text of a block: str.

        Args:
            raw: bytes that `read` gave; blocks in order, each once.

        Raises:
            ValueError: Bytes that are not UTF-8.
        """
        start = self.line, self._offset
        self.pass_over(raw)
        if b"\0" in raw and self._errors == "strict":
            place = raw.index(b"\0")
            raise ValueError(
                f"{self.path} has a zero at {self._where(raw, place, start)}: "
                "it is binary data, or damaged. Leave it out, or remove such "
                "bytes."
            )
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as e:
            error = e
        text = raw.decode("utf-8", "replace")
        bad = text.count("\ufffd") - raw.count("\ufffd".encode())
        few = bad <= max(_MOST_BAD, _MOST_BAD_SHARE * len(text))
        if few and self._errors == "replace":
            return text
        if few and self._keeps_bad:
            return raw.decode("utf-8", "surrogateescape")
        where = self._where(raw, error.start, start)
        advice = (
            ", or pass errors=replace (--errors=replace) to read such bytes "
            "as U+FFFD"
            if few
            else ". If it is no text, leave it out"
        )
        raise ValueError(
            f"{self.path} is not UTF-8 at {where}: "
            f"{raw[error.start : error.start + 4]!r}. If it is text in another "
            f"encoding, name it with encoding=NAME (--encoding=NAME){advice}."
        ) from error

    def _where(self, raw, place, start):
        """Byte and line of a place in a block that starts at (line, byte)."""
        line, offset = start
        where = f"line {line + raw[:place].count(10)}"
        return f"byte {offset + place} ({where})" if self._exact else where
