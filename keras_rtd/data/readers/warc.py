"""Archives of web pages: WET (text) and WARC (pages as they were sent).

Of a page in HTML the text is kept, without scripts and styles.
"""

from html.parser import HTMLParser

from keras_rtd.data.readers.protocol import package
from keras_rtd.data.readers.records import BadRecord
from keras_rtd.data.readers.records import pieces

SUFFIXES = (".wet", ".warc")
MAGIC = (b"WARC/1.", b"WARC/0.")
_HTML = ("text/html", "application/xhtml+xml")
_UNSEEN = frozenset(
    ("script", "style", "head", "noscript", "template", "svg", "iframe")
)
_INLINE = frozenset(
    "a abbr b bdi bdo cite code data dfn em font i kbd mark q s samp small "
    "span strong sub sup time tt u var wbr".split()
)


def read(source, reading, first):
    """Yields the blocks of a WET or WARC file; see `readers.Format`."""
    warcio = package(source.path, "warcio.archiveiterator", "'keras_rtd[warc]'")
    exceptions = package(source.path, "warcio.exceptions", "warcio")
    try:
        yield from pieces(_pages(source, warcio), reading, source.path, first)
    except exceptions.ArchiveLoadFailed as error:
        raise ValueError(
            f"{source.path} cannot be read as WARC: {error}"
        ) from error


def _pages(source, warcio):
    """Yields (which record, its text) of the records that have a text."""
    for number, record in enumerate(warcio.ArchiveIterator(source), 1):
        headers = record.rec_headers
        if record.rec_type == "conversion":
            kind = headers.get_header("Content-Type", "text/plain")
        elif record.rec_type == "response" and record.http_headers:
            kind = record.http_headers.get_header("Content-Type", "")
        else:
            continue
        kind, _, parameters = kind.lower().partition(";")
        if kind.strip() not in (*_HTML, "text/plain"):
            continue
        where = f"record {number} ({headers.get_header('WARC-Target-URI')})"
        data = record.content_stream().read()
        charset = parameters.partition("charset=")[2].strip("\"' ")
        try:
            # Pages are often not in the encoding that they claim.
            text = data.decode(charset or "utf-8", "replace")
        except LookupError:
            text = data.decode("utf-8", "replace")
        if text.count("\ufffd") > max(8, 0.05 * len(text)):
            yield where, BadRecord("the page is in an unknown encoding")
        else:
            yield where, _text(text) if kind.strip() in _HTML else text


def _text(page):
    parser = _Text()
    parser.feed(page)
    parser.close()
    lines = "".join(parser.parts).split("\n")
    return "\n".join(filter(None, (" ".join(x.split()) for x in lines)))


class _Text(HTMLParser):
    """Collects the text of a page; what is no inline element ends a line."""

    def __init__(self):
        super().__init__()
        self.parts = []
        self._hidden = []

    def handle_starttag(self, tag, attrs):
        if tag in _UNSEEN:
            self._hidden.append(tag)
        if tag == "body":
            self._hidden.clear()
        if tag not in _INLINE:
            self.parts.append("\n")

    def handle_endtag(self, tag):
        if self._hidden and tag in self._hidden:
            del self._hidden[self._hidden.index(tag) :]
        if tag not in _INLINE:
            self.parts.append("\n")

    def handle_data(self, data):
        if not self._hidden:
            self.parts.append(data.replace("\n", " "))
