"""Reading files that others wrote: regular ones only, and no more than fits."""

import os
import stat

# Larger configs, vocabularies and reports are none.
LARGEST = 1 << 28


def open_regular(path):
    """A file opened to read its bytes.

    Args:
        path: str or path.

    Raises:
        ValueError: a pipe or a device: reading one may never end.
        OSError: there is no such file, or it cannot be read.
    """
    try:
        file = open(path, "rb", opener=_open_at_once)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} is no path: {error}.") from None
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise ValueError(
        f"{path} is no regular file. Pass a file, no pipe or device."
    )


def _open_at_once(path, flags):
    """`os.open`, which would wait for the writer of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_bytes(path, largest=LARGEST):
    """The bytes of a regular file.

    Args:
        path: str or path.
        largest: int, the most bytes that are read.

    Raises:
        ValueError: no regular file, or a larger one.
        OSError: as `open_regular`.
    """
    with open_regular(path) as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"{path} has more than {largest:,} bytes.")
    return data


def read_utf8(path, largest=LARGEST):
    """The text of a regular file, without a byte order mark.

    Raises:
        ValueError: as `read_bytes`, or it is not UTF-8, with the line.
        OSError: as `open_regular`.
    """
    return decode(read_bytes(path, largest), path)


def decode(data, path):
    """Bytes of a file as text; `ValueError` with file and line if not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: not UTF-8 ({error.reason}). Convert the "
            "file to UTF-8."
        ) from error
