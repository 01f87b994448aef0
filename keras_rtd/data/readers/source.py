"""The bytes of a corpus file, decompressed."""

import bz2
import contextlib
import gzip
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

from keras_rtd.data.readers.zstandard import ZstdFile
from keras_rtd.utils.reading import open_regular
from keras_rtd.utils.remote import file_system
from keras_rtd.utils.remote import is_remote

# So many bytes decide what a file is.
_HEAD = 4096


class Compression(NamedTuple):
    """A compression: see `keras_rtd.data.readers.register_compression`."""

    name: str
    open: Callable[[Any], Any]
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...] = ()
    errors: tuple[type[BaseException], ...] = ()


def _open_gzip(raw):
    return gzip.GzipFile(fileobj=raw)


# fsspec's table has them too, but reads only the first frame of a .zst file.
COMPRESSIONS = {
    "gz": Compression(
        "gz",
        _open_gzip,
        (".gz",),
        (b"\x1f\x8b",),
        (gzip.BadGzipFile, zlib.error),
    ),
    "bz2": Compression(
        "bz2", bz2.BZ2File, (".bz2",), (b"BZh",), (OSError, ValueError)
    ),
    "xz": Compression(
        "xz", lzma.LZMAFile, (".xz",), (b"\xfd7zXZ\0",), (lzma.LZMAError,)
    ),
    "zst": Compression(
        "zst",
        ZstdFile,
        (".zst", ".zstd"),
        # The second begins a frame that is skipped; pzstd writes it.
        (b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"),
        (ValueError,),
    ),
}


class Source:
    """A file's bytes, decompressed.

    Args:
        path: str. A path with `://` is opened by fsspec.

    Attributes:
        path: str.
        name: str, the path in lower case, without a compression's suffix.
        head: bytes, how the content begins, 4 KB at most.

    Raises:
        ValueError: The compressed data is damaged, or it is no regular file.
        ImportError: The package of the compression is not installed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        if is_remote(path):
            files, inside = file_system(path)
            self._raw = files.open(inside, "rb")
        else:
            self._raw = open_regular(path)
        try:
            kind, self.name = self._compression()
            self._errors = (EOFError, *kind.errors) if kind else ()
            self._stream = self._raw
            with self._decompressing():
                self._stream = kind.open(self._raw) if kind else self._raw
            self._unread = b""
            self.head = self._unread = self.read(_HEAD)
        except BaseException:
            self._raw.close()
            raise

    def _compression(self):
        begin = self._raw.read(16)
        self._raw.seek(0)
        name = self.path.lower()
        kinds = list(COMPRESSIONS.values())
        found = next((k for k in kinds if begin.startswith(k.magic)), None)
        named = next((k for k in kinds if name.endswith(k.suffixes)), None)
        if named is not None:
            name = name[: name.rindex(".")]
        # What only its name calls an archive is found damaged when read.
        return found or named, name

    def read(self, size: int = -1) -> bytes:
        """Returns `size` bytes, all by default, fewer at the end of the file.

        Raises:
            ValueError: The compressed data is damaged or cut off.
        """
        parts = [self._unread if size < 0 else self._unread[:size]]
        self._unread = self._unread[len(parts[0]) :]
        missing = size - len(parts[0])
        with self._decompressing():
            while missing:
                part = self._stream.read(-1 if size < 0 else missing)
                if not part:
                    break
                parts.append(part)
                missing -= len(part)
        return b"".join(parts)

    @contextlib.contextmanager
    def _decompressing(self):
        try:
            yield
        except self._errors as error:
            raise ValueError(
                f"Cannot decompress {self.path}: {error}. The file is "
                "damaged or incomplete; fetch or compress it again."
            ) from error

    def random_access(self) -> Any:
        """The whole content as a binary file that can seek.

        What is compressed is written to a temporary file.
        """
        if self._stream is self._raw:
            self._raw.seek(0)
            return self._raw
        file = tempfile.TemporaryFile()
        shutil.copyfileobj(self, file)
        file.seek(0)
        return file

    def position(self) -> int:
        """Bytes consumed of the file as it is stored."""
        return self._raw.tell()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._stream is not self._raw:
            self._stream.close()
        self._raw.close()
