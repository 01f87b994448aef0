"""Files of an object store, such as gs://, through fsspec."""

import contextlib
import os
import time

REMOTE = "://"
# Seconds before an upload that failed is tried again.
WAITS = (1.0, 4.0, 16.0)


def is_remote(path):
    """Whether a path names an object store or another file system."""
    return REMOTE in os.fspath(path)


def file_system(url):
    """The file system of a URL.

    Args:
        url: string with `://`.

    Returns:
        (`fsspec.AbstractFileSystem`, string): the file system, which keeps no
        listings, and the path within it.

    Raises:
        ImportError: a package is missing; says which.
        ValueError: a protocol that fsspec does not know.
        OSError: no credentials, or no connection.
    """
    import fsspec

    protocol = url.split(REMOTE)[0]
    try:
        with _errors_of(url):
            return fsspec.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        extra = (
            "pip install 'keras_rtd[gcs]'"
            if protocol in ("gs", "gcs")
            else str(error)
        )
        raise ImportError(
            f"{url} needs a package of fsspec that is not installed: {extra}"
        ) from error
    except ValueError as error:
        raise ValueError(f"{url} cannot be opened: {error}") from error


@contextlib.contextmanager
def _errors_of(url):
    """Makes an `OSError` of whatever a store's package raises."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(
            error.errno, f"{url}: there is no such object or bucket"
        ) from error
    except (OSError, ImportError, ValueError):
        raise
    except Exception as error:
        raise OSError(f"{url}: {type(error).__name__}: {error}") from error


class RemoteFolder:
    """A folder of an object store, by the names of its objects.

    Every method raises `OSError` where the store refuses or is out of reach.

    Args:
        url: string with `://`.

    Raises:
        ImportError, ValueError, OSError: see `file_system`.
    """

    def __init__(self, url):
        self.url = url.rstrip("/")
        self._files, self._path = file_system(self.url)

    def names(self):
        """Names of the objects right below; none if there is no folder."""
        with _errors_of(self.url):
            try:
                found = self._files.ls(self._path, detail=True)
            except FileNotFoundError:
                return []
        return sorted(
            entry["name"].rsplit("/", 1)[-1]
            for entry in found
            if entry["type"] == "file"
        )

    def put(self, path, name):
        """Copy a local file, or a folder with all below it, to `name`."""
        if os.path.isdir(path):
            for entry in sorted(os.listdir(path)):
                self.put(os.path.join(path, entry), f"{name}/{entry}")
            return
        target = f"{self._path}/{name}"

        def copy():
            # Object stores have no folders; other file systems do.
            self._files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            self._files.put_file(os.fspath(path), target)

        self._patiently(name, copy)

    def get(self, name, path):
        """Copy an object to a local file.

        Raises:
            FileNotFoundError: there is none of this name.
        """
        with _errors_of(f"{self.url}/{name}"):
            self._files.get_file(f"{self._path}/{name}", os.fspath(path))

    def write(self, name, data):
        """Make a small object of bytes."""
        self._patiently(
            name, lambda: self._files.pipe_file(f"{self._path}/{name}", data)
        )

    def _patiently(self, name, upload):
        """Upload, again after `WAITS` where the store fails."""
        for wait in (*WAITS, None):
            try:
                with _errors_of(f"{self.url}/{name}"):
                    return upload()
            except (FileNotFoundError, PermissionError):
                raise
            except OSError:
                if wait is None:
                    raise
            time.sleep(wait)

    def remove(self, name):
        """Remove an object."""
        with _errors_of(f"{self.url}/{name}"):
            self._files.rm_file(f"{self._path}/{name}")
