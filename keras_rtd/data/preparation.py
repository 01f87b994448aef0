"""Turns a corpus into token shards that training reads at any place at once.

Interrupted at any moment, it continues where it was, and the files are the
same, bit for bit, as those of an uninterrupted run.
"""

import fcntl
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tqdm

from keras_rtd.data import corpus
from keras_rtd.data import holdout
from keras_rtd.data import storage
from keras_rtd.data.encoding import default_workers
from keras_rtd.data.encoding import encode_blocks
from keras_rtd.data.manifest import check_same
from keras_rtd.data.manifest import preparation_options
from keras_rtd.data.manifest import write_manifest
from keras_rtd.data.shards import ShardWriter
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.utils.remote import is_remote
from keras_rtd.utils.setting import check_int
from keras_rtd.utils.targets import plain_name
from keras_rtd.utils.types import Path
from keras_rtd.utils.writing import remove_leftovers


def prepare_corpus(
    patterns: Path | Sequence[Path],
    output: Path,
    tokenizer: Tokenizer,
    documents: str = "blank_line",
    text_field: str = "text",
    errors: str = "strict",
    validation_fraction: float = 0.01,
    shard_tokens: int = 1 << 25,
    num_workers: int | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Writes a corpus as token shards with a manifest.

    Needs no TensorFlow.

    Args:
        patterns: str, path or list of them: files, directories or globs.
        output: str or path, directory of the prepared data. If a run into it
            was interrupted, it is continued; if it is finished, nothing
            happens.
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        documents: `"blank_line"` or `"line"`, what separates documents in
            text files. Defaults to `"blank_line"`.
        text_field: str, field of JSON records. Defaults to `"text"`.
        errors: `"strict"` or `"replace"`, for bytes that are not UTF-8.
            Defaults to `"strict"`.
        validation_fraction: float in [0, 1), share of the documents that is
            held out, by hash. Defaults to `0.01`.
        shard_tokens: int, tokens after which a shard is closed. Defaults to
            33,554,432.
        num_workers: int, processes that tokenize. `None`, the default, takes
            one per core on Linux if there are at least 32 MB to read. The
            files do not depend on it.
        progress: bool, show a progress bar. Defaults to `False`.

    Returns:
        dict, the manifest.

    Raises:
        ValueError: A bad argument, a bad file (see
            `keras_rtd.data.corpus.read_blocks`), an empty corpus, or an
            output directory begun with other options, that is or contains
            an input, or that holds files of others under our names.
        OSError: The disk is full (finished shards are kept), or another
            process is preparing the same directory.
    """
    if num_workers is not None:
        check_int("num_workers", num_workers, 1)
    output = os.fspath(output)
    if is_remote(output):
        raise ValueError(
            f"{output} is not a folder of this machine: prepare the corpus in "
            "one and copy that, or use --runner (Apache Beam)."
        )
    options, modified = preparation_options(
        patterns,
        tokenizer,
        documents,
        text_field,
        errors,
        validation_fraction,
        shard_tokens,
    )
    files = [source["path"] for source in options["sources"]]
    storage.check_output(output, files)
    os.makedirs(output, exist_ok=True)
    with _only_process(output):
        remove_leftovers(output)
        manifest = storage.load_json(output, storage.MANIFEST)
        if manifest is not None:
            check_same(output, manifest["options"], options)
            _remove_progress(output)
            return manifest
        state = storage.load_json(output, storage.PROGRESS)
        if state is None:
            scan = holdout.scan_corpus(
                files,
                documents,
                text_field,
                errors,
                validation_fraction,
                stop_early=True,
            )
            state = {
                "options": options,
                "modified": modified,
                "threshold": scan.threshold,
                "shards": [],
                "numbers": 0,
                "next": [0, 0],
            }
        else:
            check_same(output, state["options"], options)
            _check_unchanged(output, files, modified, state["modified"])
            state["options"] = options
        storage.save_json(output, storage.PROGRESS, state)
        _write_shards(output, tokenizer, state, num_workers, progress)
        manifest = _finish(output, tokenizer, state)
        _remove_progress(output)
    return manifest


def _write_shards(output, tokenizer, state, num_workers, progress):
    options = state["options"]
    sizes = [source["bytes"] for source in options["sources"]]
    done_before = np.cumsum([0, *sizes])
    blocks = corpus.read_blocks(
        [source["path"] for source in options["sources"]],
        options["documents"],
        options["text_field"],
        options["errors"],
        start=tuple(state["next"]),
    )
    if num_workers is None:
        num_workers = default_workers(sum(sizes))
    writer = ShardWriter(output, state["threshold"])

    def commit(following):
        state["shards"] += writer.commit(state["numbers"])
        state["numbers"] += 1
        state["next"] = following
        storage.save_json(output, storage.PROGRESS, state)

    bar = tqdm.tqdm(
        total=sum(sizes),
        unit="B",
        unit_scale=True,
        desc="Preparing",
        disable=not progress,
    )
    with bar:
        for block, encoded in encode_blocks(blocks, tokenizer, num_workers):
            writer.add(block, encoded)
            bar.update(done_before[block.file] + block.position - bar.n)
            if writer.num_tokens >= options["shard_tokens"]:
                commit([block.file, block.number + 1])
        if writer.num_tokens:
            commit([len(sizes), 0])


def _finish(output, tokenizer, state):
    """Counts the shards' tokens and writes the manifest."""
    size = tokenizer.vocabulary_size()
    unigrams = {split: np.zeros(size, np.int64) for split in storage.SPLITS}
    for shard in state["shards"]:
        name = shard["files"]["tokens"]["file"]
        path = os.path.join(output, plain_name(name, storage.PROGRESS))
        tokens = np.load(path, mmap_mode="r")
        unigrams[shard["split"]] += np.bincount(tokens, minlength=size)
    return write_manifest(
        output, tokenizer, state["options"], state["shards"], unigrams
    )


class _only_process:
    """Holds a directory for this process; a dead process holds nothing."""

    def __init__(self, directory):
        self._directory = directory

    def __enter__(self):
        self._descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise OSError(
                error.errno,
                f"Another process is preparing data in {self._directory}",
            ) from error

    def __exit__(self, *_):
        os.close(self._descriptor)


def _check_unchanged(output, files, modified, modified_before):
    for path, now, before in zip(files, modified, modified_before):
        if now != before:
            raise ValueError(
                f"{path} has changed since preparing {output} began. Use "
                "another output directory, or delete this one."
            )


def _remove_progress(output):
    path = os.path.join(output, storage.PROGRESS)
    if os.path.exists(path):
        os.remove(path)
