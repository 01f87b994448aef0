"""Replacements sampled beforehand: ids for the masked positions of examples.

Prepared data is one endless list of examples, in an order and with masks that
are functions of the seed. Here is what a generator drew for the first of them,
one row an example: K ids of 2 bytes (4 for a vocabulary above 65,536) for a
window of L tokens, and a manifest that says what they depend on.
"""

import dataclasses
import hashlib
import json
import os

import numpy as np

from keras_rtd.data import counter_random
from keras_rtd.data import storage
from keras_rtd.data.windows import OLD_SEGMENTS
from keras_rtd.utils import json_file
from keras_rtd.utils.remote import is_remote
from keras_rtd.utils.targets import check_folder
from keras_rtd.utils.targets import has_keys
from keras_rtd.utils.targets import plain_name
from keras_rtd.utils.writing import remove_leftovers

FORMAT_VERSION = 1
COMMAND = "python -m keras_rtd.pretraining.draw_replacements"
MANIFEST = "replacements.json"
PROGRESS = "replacements_progress.json"

# What is written into a directory.
NAMES = (MANIFEST, PROGRESS, "replacements-[0-9]*.npy")

# Examples a file; a file is what an interrupted sampling loses at most.
FILE_EXAMPLES = 1 << 14

# Number of the random stream, beside those of `keras_rtd.data.prepared`.
_SAMPLES = 3


class Replacements:
    """A directory written by `write_replacements`.

    Args:
        directory: str or path.

    Attributes:
        examples: int, how many there are.
        settings: dict, what they depend on.

    Raises:
        ValueError: The directory is unfinished, damaged or of another format.
    """

    def __init__(self, directory):
        self.directory = os.fspath(directory)
        if is_remote(self.directory):
            raise ValueError(
                "Replacements are read from local files. Copy "
                f"{self.directory} to this machine."
            )
        manifest = storage.load_json(self.directory, MANIFEST)
        if manifest is None:
            raise ValueError(
                f"{self.directory} holds no finished replacements: run "
                f"`{COMMAND}` to its end."
            )
        top = json_file.Node(manifest, f"{self.directory}/{MANIFEST}")
        if top["format_version"].value != FORMAT_VERSION:
            raise ValueError(
                f"{self.directory} has format version "
                f"{json_file.shown(manifest['format_version'])}; this "
                f"version of keras_rtd reads {FORMAT_VERSION}. Sample the "
                "replacements again."
            )
        self.examples = top["examples"].of(int)
        self.settings = _in_new_names(top["settings"].of(dict))
        for node in top["files"].items():
            entry = node.of(dict)
            plain_name(node["file"].of(str), f"{self.directory}/{MANIFEST}")
            node["bytes"].of(int)
            node["sha256"].of(str)
            storage.check_file(
                self.directory, entry, True, "Sample the replacements again."
            )
        self._files = [
            np.load(os.path.join(self.directory, entry["file"]), mmap_mode="r")
            for entry in manifest["files"]
        ]

    def check(self, settings):
        """Refuse replacements that were sampled for something else.

        Args:
            settings: dict, some of the settings that they must have.

        Raises:
            ValueError: The first difference.
        """
        for name, value in settings.items():
            found = self.settings.get(name)
            if found != value:
                raise ValueError(
                    f"The replacements in {self.directory} were sampled for "
                    f"another {name}: {_short(found)} there, {_short(value)} "
                    f"here. Sample them again with `{COMMAND}`, or use the "
                    "settings they were sampled for."
                )

    def rows(self, example):
        """Returns the ids sampled for examples.

        Args:
            example: (B,) ints below `examples`.

        Returns:
            (B, K) int32.
        """
        number, row = np.divmod(example, FILE_EXAMPLES)
        ids = np.empty((len(example), self._files[0].shape[1]), np.int32)
        for i in np.unique(number):
            of_file = number == i
            storage.check_mapped(self._files[i])
            ids[of_file] = self._files[i][row[of_file]]
        return ids


def data_settings(corpus, options):
    """What the windows and masks of examples depend on: a dict for JSON.

    Args:
        corpus: `keras_rtd.data.prepared.PreparedCorpus`.
        options: `keras_rtd.data.dataset.BatchOptions`.

    Raises:
        ValueError: Corpora that are mixed by weight, whose examples no
            replacements are sampled for.
    """
    if corpus.weights:
        raise ValueError(
            f"Replacements are sampled for one corpus, and {corpus.directory} "
            f"mixes {', '.join(corpus.weights)} by weight. Prepare them "
            "without weights."
        )
    facts = [
        corpus.manifest["tokenizer"]["fingerprint"],
        [shard["files"] for shard in corpus.manifest["shards"]],
    ]
    text = json.dumps(facts, sort_keys=True)
    return {
        "corpus": hashlib.sha256(text.encode()).hexdigest(),
        "seed": options.seed,
        "sequence_length": options.sequence_length,
        "segments": options.segments,
        "packing": options.packing,
        "masking": dataclasses.asdict(options.masking),
    }


def uniform_of(seed, example, slots):
    """The random numbers of examples' samples: (B * slots, 2) float32."""
    key = counter_random.stream_key(seed, _SAMPLES)
    return counter_random.uniform(key, example, 2 * slots).reshape(-1, 2)


def write_replacements(
    directory, settings, examples, slots, vocabulary_size, sample
):
    """Samples and writes replacements; continues what was interrupted.

    Args:
        directory: str or path.
        settings: dict, everything that the samples depend on.
        examples: int, how many.
        slots: int, ids an example.
        vocabulary_size: int.
        sample: function of the first example and the number of examples that
            returns (number, slots) ids.

    Raises:
        ValueError: The directory holds replacements of other settings, or
            files of others under our names.
    """
    directory = os.fspath(directory)
    check_folder(directory, NAMES, _is_ours, "a directory of replacements")
    os.makedirs(directory, exist_ok=True)
    remove_leftovers(directory)
    wanted = {
        "format_version": FORMAT_VERSION,
        "settings": settings,
        "examples": examples,
    }
    files = []
    for name in (MANIFEST, PROGRESS):
        before = storage.load_json(directory, name)
        if before is None:
            continue
        files = before.pop("files")
        before["settings"] = _in_new_names(before["settings"])
        if before != wanted:
            raise ValueError(
                f"{directory} holds replacements of other settings. Remove "
                "them, or write to another directory."
            )
        if name == MANIFEST:
            return
    dtype = np.uint16 if vocabulary_size <= 1 << 16 else np.uint32
    for number in range(len(files), -(-examples // FILE_EXAMPLES)):
        first = number * FILE_EXAMPLES
        count = min(FILE_EXAMPLES, examples - first)
        ids = np.asarray(sample(first, count), dtype).reshape(count, slots)
        name = f"replacements-{number:05d}.npy"
        files.append(storage.save_array(directory, name, ids))
        storage.save_json(directory, PROGRESS, {**wanted, "files": files})
    storage.save_json(directory, MANIFEST, {**wanted, "files": files})
    os.remove(os.path.join(directory, PROGRESS))


def _is_ours(folder):
    names = [n for n in (MANIFEST, PROGRESS) if (folder / n).exists()]
    return bool(names) and all(
        has_keys(folder / name, "settings", "examples", "files")
        for name in names
    )


def _in_new_names(settings):
    """Settings as earlier versions stored them, in today's names."""
    segments, packing = OLD_SEGMENTS.get(
        settings.get("segments"), (settings.get("segments"), False)
    )
    masking = {"windows": False, **settings.get("masking", {})}
    return {
        "packing": packing,
        **settings,
        "segments": segments,
        "masking": masking,
    }


def _short(value):
    text = json.dumps(value)
    return text if len(text) < 60 else text[:16] + "…"
