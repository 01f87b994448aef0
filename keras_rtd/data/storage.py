"""Files of a prepared corpus: names, atomic writing, checksums."""

import hashlib
import json
import os
import tempfile

import numpy as np

from keras_rtd.utils import json_file
from keras_rtd.utils.remote import RemoteFolder
from keras_rtd.utils.remote import is_remote
from keras_rtd.utils.targets import check_folder
from keras_rtd.utils.targets import check_inputs
from keras_rtd.utils.targets import has_keys
from keras_rtd.utils.targets import plain_name
from keras_rtd.utils.writing import is_disk_full
from keras_rtd.utils.writing import new_file

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
PROGRESS = "progress.json"
UNIGRAM_COUNTS = "unigram_counts.npy"
VOCABULARY = "vocabulary.txt"
WORD_START = "word_start.npy"
SPLITS = ("train", "validation")

# What preparing writes into its directory.
NAMES = (
    MANIFEST,
    PROGRESS,
    UNIGRAM_COUNTS,
    VOCABULARY,
    WORD_START,
    *(f"{split}-[0-9]*.npy" for split in SPLITS),
)

_verified: dict[str, tuple] = {}


def is_prepared(path):
    """Whether a path is a directory of prepared data, finished or not."""
    if is_remote(path):
        return MANIFEST in RemoteFolder(os.fspath(path)).names()
    return any(
        os.path.isfile(os.path.join(path, name))
        for name in (MANIFEST, PROGRESS)
    )


def check_output(path, sources):
    """Refuse a directory that prepared data must not be written to.

    Args:
        path: str. A `://` path is as good as it is.
        sources: list of str, the files that are read.

    Raises:
        ValueError: It is, or contains, a source, or holds files of others
            under the names of prepared data.
    """
    if is_remote(path):
        return
    check_inputs(path, sources)
    check_folder(path, NAMES, _is_ours, "prepared data")


def _is_ours(folder):
    """A manifest comes last, and progress first."""
    found = [folder / n for n in (MANIFEST, PROGRESS) if (folder / n).exists()]
    return bool(found) and all(has_keys(p, "options", "shards") for p in found)


def files_of(manifest):
    """Name, size and checksum of each file that a manifest lists.

    Raises:
        ValueError: A name that leads out of the directory, or a value of
            another type.
    """
    where = f"The {MANIFEST} of prepared data"
    top = json_file.Node(manifest, where)
    nodes = []
    for part in [top, *top["shards"].items()]:
        files = part["files"]
        nodes += [files[name] for name in files.of(dict)]
    for node in nodes:
        plain_name(node["file"].of(str), where)
        node["bytes"].of(int)
        node["sha256"].of(str)
    return [node.value for node in nodes]


def save_array(directory, name, array):
    """Writes an array as .npy and returns its name, size and checksum."""
    return _write(directory, name, lambda file: np.save(file, array))


def save_text(directory, name, text):
    """Writes text as UTF-8 and returns its name, size and checksum."""
    return _write(directory, name, lambda file: file.write(text.encode()))


def save_json(directory, name, value):
    """Writes JSON, indented and with sorted keys."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
    save_text(directory, name, text + "\n")


def load_json(directory, name):
    """Returns the JSON value of a file, or None where there is no file."""
    path = os.path.join(directory, name)
    try:
        if is_remote(directory):
            with tempfile.TemporaryDirectory(prefix="keras_rtd-") as scratch:
                RemoteFolder(directory).get(name, os.path.join(scratch, name))
                return load_json(scratch, name)
        return json_file.read_object(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}.") from error


def sha256_of(path):
    """Returns a file's SHA-256 as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(directory, entry, verify, repair):
    """Refuses a file that is not as it was written.

    Args:
        directory: str.
        entry: dict, what `save_array` returned.
        verify: bool, check the checksum too, once per process and file.
        repair: str, a sentence that says what to do.

    Raises:
        ValueError: The file is missing or damaged.
    """
    path = os.path.join(directory, entry["file"])
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        raise ValueError(f"{path} is missing. {repair}") from None
    again = f"Copy it again or {repair[0].lower()}{repair[1:]}"
    if stat.st_size != entry["bytes"]:
        raise ValueError(
            f"{path} is damaged: it has {stat.st_size} bytes and should have "
            f"{entry['bytes']}. {again}"
        )
    state = (stat.st_size, stat.st_mtime_ns, entry["sha256"])
    if verify and _verified.get(path) != state:
        if sha256_of(path) != entry["sha256"]:
            raise ValueError(
                f"{path} is damaged: its checksum is not the manifest's. "
                f"{again}"
            )
        _verified[path] = state


def check_mapped(array):
    """Raise where the file of a memory-mapped array was cut since.

    To read what is no longer there ends the process with SIGBUS, without a
    word.

    Raises:
        ValueError: the file is shorter than the array, or gone.
    """
    try:
        size = os.stat(array.filename).st_size
    except FileNotFoundError:
        return  # The mapping keeps a deleted file.
    if size < array.offset + array.nbytes:
        raise ValueError(
            f"{array.filename} was cut short while it was read. Prepare the "
            "data again, or copy it again; the run continues from its newest "
            "checkpoint."
        )


class _HashingFile:
    """Passes writes on and keeps their number and checksum."""

    def __init__(self, file):
        self._file = file
        self._sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data):
        self._sha256.update(data)
        self.size += len(data)
        return self._file.write(data)

    def hexdigest(self):
        return self._sha256.hexdigest()


def _write(directory, name, write):
    """Makes a file appear whole or not at all, and lasting."""
    if is_remote(directory):
        with tempfile.TemporaryDirectory(prefix="keras_rtd-") as scratch:
            entry = _write(scratch, name, write)
            RemoteFolder(directory).put(os.path.join(scratch, name), name)
        return entry
    try:
        with new_file(os.path.join(directory, name)) as file:
            hashing = _HashingFile(file)
            write(hashing)
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise OSError(
            error.errno,
            f"The disk is full: {name} could not be written to {directory}. "
            "All finished shards are kept: free some space and run the same "
            "command again",
        ) from error
    return {"file": name, "bytes": hashing.size, "sha256": hashing.hexdigest()}
