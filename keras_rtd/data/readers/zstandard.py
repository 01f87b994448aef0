"""Zstandard: any number of frames, and damage is noticed."""

from keras_rtd.data.readers.protocol import package

_CHUNK = 1 << 17
# What `zstd --long=31` makes.
_LARGEST_WINDOW = 1 << 31


class ZstdFile:
    """The content of a binary file that Zstandard compressed.

    The package's own reader ends without a word where a file is cut off.

    Args:
        raw: binary file.

    Raises:
        ImportError: The package `zstandard` is not installed.
    """

    def __init__(self, raw):
        name = getattr(raw, "name", "A .zst file")
        self._package = package(name, "zstandard", "zstandard")
        self._raw = raw
        self._frame = None
        self._data = b""

    def read(self, size=-1):
        """Returns `size` bytes, all by default, fewer at the end.

        Raises:
            EOFError: The file ends within a frame.
            ValueError: The data is damaged.
        """
        parts, missing = [self._data], size - len(self._data)
        while size < 0 or missing > 0:
            part = self._decompress()
            if part is None:
                break
            parts.append(part)
            missing -= len(part)
        data = b"".join(parts)
        if size < 0:
            size = len(data)
        self._data = data[size:]
        return data[:size]

    def _decompress(self):
        """The next bytes, maybe none, or `None` at the end."""
        frame = self._frame
        chunk = frame.unused_data if frame is not None and frame.eof else b""
        chunk = chunk or self._raw.read(_CHUNK)
        if not chunk:
            if frame is not None and not frame.eof:
                raise EOFError("the file ends within a frame")
            return None
        if frame is None or frame.eof:
            decompressor = self._package.ZstdDecompressor(
                max_window_size=_LARGEST_WINDOW
            )
            frame = self._frame = decompressor.decompressobj()
        try:
            return frame.decompress(chunk)
        except self._package.ZstdError as error:
            raise ValueError(str(error)) from error

    def close(self):
        self._frame = None
