"""Turns a corpus into token shards that training reads at any place at once.

Interrupted at any moment, it continues where it was, and the files are the
same, bit for bit, as those of an uninterrupted run.
"""

import fcntl
import os
from typing import Any

import numpy as np

from keras_rtd.data import holdout
from keras_rtd.data import storage
from keras_rtd.data.advice import check_unknown
from keras_rtd.data.corpus_writing import CorpusWriter
from keras_rtd.data.encoding import check_workers
from keras_rtd.data.manifest import check_same
from keras_rtd.data.manifest import preparation_options
from keras_rtd.data.manifest import write_manifest
from keras_rtd.data.readers import Reading
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.utils.remote import is_remote
from keras_rtd.utils.targets import plain_name
from keras_rtd.utils.types import Path
from keras_rtd.utils.writing import remove_leftovers


def prepare_corpus(
    patterns: Any,
    output: Path,
    tokenizer: Tokenizer,
    documents: str = "blank_line",
    text_field: str = "text",
    errors: str = "strict",
    validation_fraction: float = 0.01,
    shard_tokens: int = 1 << 25,
    num_workers: int | None = None,
    progress: bool = False,
    encoding: str | None = None,
    skip_bad: bool = False,
    drop_duplicates: bool = False,
) -> dict[str, Any]:
    """Writes a corpus as token shards with a manifest.

    Needs no TensorFlow.

    Args:
        patterns: str, path or list of them: files, directories or globs; or
            a dataset, a function, or several corpora with weights, as
            `pretraining_dataset` takes them. Weights hold when the prepared
            data is read: the files have all of each corpus.
        output: str or path, directory of the prepared data. If a run into it
            was interrupted, it is continued; if it is finished, nothing
            happens.
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        documents: `"blank_line"` or `"line"`, what separates documents in
            text files. Defaults to `"blank_line"`.
        text_field: str, field or column of records. Defaults to `"text"`.
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
        encoding: str, of text files without a byte order mark. `None`, the
            default, is UTF-8.
        skip_bad: bool. Records without text are skipped and counted, in the
            manifest's `left_out`. Defaults to `False`, they are an error.
        drop_duplicates: bool. Of documents that are equal but for Unicode
            normalisation, spaces and what the tokenizer does not see (case,
            accents), the first stays; the others are counted in `left_out`.
            Takes about 80 bytes of memory a document. Defaults to `False`.

    Returns:
        dict, the manifest.

    Raises:
        ValueError: A bad argument, a bad file (see
            `keras_rtd.data.corpus.read_blocks`), an empty corpus, text of
            which over half of the tokens are unknown, or an output directory
            begun with other options, that is or contains an input, or that
            holds files of others under our names.
        OSError: The disk is full (finished shards are kept), or another
            process is preparing the same directory.
    """
    if num_workers is not None:
        check_workers(num_workers)
    output = os.fspath(output)
    if is_remote(output):
        raise ValueError(
            f"{output} is not a folder of this machine: prepare the corpus in "
            "one and copy that, or use --runner (Apache Beam)."
        )
    reading = Reading(documents, text_field, errors, encoding, skip_bad)
    options, modified, corpora = preparation_options(
        patterns,
        tokenizer,
        reading,
        validation_fraction,
        shard_tokens,
        drop_duplicates,
    )
    files = [file for each in corpora for file in each.data]
    storage.check_output(output, [f for f in files if isinstance(f, str)])
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
            scans = [
                holdout.scan_corpus(
                    each.data, reading, validation_fraction, enough=(1, 0)
                )
                for each in corpora
            ]
            state = {
                "options": options,
                "modified": modified,
                "thresholds": [scan.threshold for scan in scans],
                "left_out": [0, 0],
                "shards": [],
                "numbers": 0,
                "next": [0, 0],
            }
        else:
            check_same(output, state["options"], options)
            _check_unchanged(output, files, modified, state["modified"])
            state["options"] = options
            # As versions before weights wrote it.
            if "threshold" in state:
                state["thresholds"] = [state.pop("threshold")]
                state["left_out"] = [0, 0]
        storage.save_json(output, storage.PROGRESS, state)
        writing = CorpusWriter(output, tokenizer, state, corpora)
        writing.run(reading, num_workers, progress)
        manifest = _finish(output, tokenizer, state)
        _remove_progress(output)
    return manifest


def _finish(output, tokenizer, state):
    """Counts the shards' tokens and writes the manifest."""
    size = tokenizer.vocabulary_size()
    unigrams = {split: np.zeros(size, np.int64) for split in storage.SPLITS}
    for shard in state["shards"]:
        name = shard["files"]["tokens"]["file"]
        path = os.path.join(output, plain_name(name, storage.PROGRESS))
        tokens = np.load(path, mmap_mode="r")
        unigrams[shard["split"]] += np.bincount(tokens, minlength=size)
    if tokenizer.unk_token_id is not None:
        unknown = sum(int(u[tokenizer.unk_token_id]) for u in unigrams.values())
        total = sum(int(u.sum()) for u in unigrams.values())
        check_unknown(unknown, total, "the corpus")
    options = state["options"]
    left_out = None
    if options.get("skip_bad") or options.get("drop_duplicates"):
        names = ("bad_records", "duplicate_documents")
        left_out = dict(zip(names, state["left_out"]))
    return write_manifest(
        output, tokenizer, options, state["shards"], unigrams, left_out
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
