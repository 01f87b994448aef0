"""Turns a corpus into token shards that training reads at any place at once.

Interrupted at any moment, it continues where it was, and the files are the
same, bit for bit, as those of an uninterrupted run.
"""

import fcntl
import json
import os

import numpy as np
import tqdm

from keras_rtd.data import corpus
from keras_rtd.data import holdout
from keras_rtd.data import storage
from keras_rtd.data.encoding import default_workers
from keras_rtd.data.encoding import encode_blocks
from keras_rtd.data.files import file_facts
from keras_rtd.data.files import resolve_files
from keras_rtd.data.shards import ShardWriter


def prepare_corpus(
    patterns,
    output,
    tokenizer,
    documents="blank_line",
    text_field="text",
    errors="strict",
    validation_fraction=0.01,
    shard_tokens=1 << 25,
    num_workers=None,
    progress=False,
):
    """Writes a corpus as token shards with a manifest.

    Needs no TensorFlow.

    Args:
        patterns: str, path or list of them: files, directories or globs.
        output: str or path, directory of the prepared data. If a run into it
            was interrupted, it is continued; if it is finished, nothing
            happens.
        tokenizer: `keras_rtd.tokenizers.ElectraTokenizer`.
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
            output directory begun with other options.
        OSError: The disk is full (finished shards are kept), or another
            process is preparing the same directory.
    """
    for name, value in (
        ("shard_tokens", shard_tokens),
        ("num_workers", 1 if num_workers is None else num_workers),
    ):
        if not isinstance(value, int) or value < 1:
            raise ValueError(
                f"`{name}` must be a positive integer. "
                f"Received: {name}={value!r}"
            )
    corpus.check_reading(documents, text_field, errors)
    holdout.check_validation_fraction(validation_fraction)
    output = os.fspath(output)
    files = resolve_files(patterns)
    facts = [file_facts(path) for path in files]
    options = {
        "format_version": storage.FORMAT_VERSION,
        "documents": documents,
        "errors": errors,
        "shard_tokens": shard_tokens,
        "text_field": text_field,
        "tokenizer": tokenizer.fingerprint(),
        "validation_fraction": validation_fraction,
        "sources": [
            {"path": path, "bytes": size}
            for path, (size, _) in zip(files, facts)
        ],
    }
    os.makedirs(output, exist_ok=True)
    with _only_process(output):
        storage.remove_leftovers(output)
        manifest = storage.load_json(output, storage.MANIFEST)
        if manifest is not None:
            _check_same(output, manifest["options"], options)
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
                "modified": [modified for _, modified in facts],
                "threshold": scan.threshold,
                "shards": [],
                "numbers": 0,
                "next": [0, 0],
            }
        else:
            _check_same(output, state["options"], options)
            _check_unchanged(output, files, facts, state["modified"])
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
    counts = {
        split: {"documents": 0, "lines": 0, "tokens": 0, "shards": 0}
        for split in storage.SPLITS
    }
    for shard in state["shards"]:
        path = os.path.join(output, shard["files"]["tokens"]["file"])
        tokens = np.load(path, mmap_mode="r")
        unigrams[shard["split"]] += np.bincount(tokens, minlength=size)
        of_split = counts[shard["split"]]
        of_split["shards"] += 1
        for kind in ("documents", "lines", "tokens"):
            of_split[kind] += shard[kind]
    if not state["shards"]:
        raise ValueError(
            "The corpus is empty: the tokenizer finds no token in it."
        )
    for split, of_split in counts.items():
        unknown = unigrams[split][tokenizer.unk_token_id]
        of_split["unknown_tokens"] = int(unknown)
    config = tokenizer.get_config()
    # Keras numbers names within a process: they say nothing about the data.
    config.pop("name", None)
    manifest = {
        "format_version": storage.FORMAT_VERSION,
        "options": state["options"],
        "tokenizer": {
            "config": json.loads(json.dumps(config, default=str)),
            "fingerprint": tokenizer.fingerprint(),
            "vocabulary_size": size,
            **{
                f"{name}_token_id": int(getattr(tokenizer, f"{name}_token_id"))
                for name in ("cls", "sep", "pad", "mask", "unk")
            },
        },
        "counts": counts,
        "shards": state["shards"],
        "files": {
            "unigram_counts": storage.save_array(
                output, storage.UNIGRAM_COUNTS, unigrams["train"]
            ),
            "vocabulary": storage.save_text(
                output,
                storage.VOCABULARY,
                "\n".join(tokenizer.get_vocabulary()) + "\n",
            ),
            "word_start": storage.save_array(
                output, storage.WORD_START, np.asarray(tokenizer.is_word_start)
            ),
        },
    }
    storage.save_json(output, storage.MANIFEST, manifest)
    return manifest


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


def _check_same(output, before, now):
    differing = {name for name in now if before.get(name) != now[name]}
    # Text that was read without complaint reads the same under "replace".
    if before.get("errors") == "strict":
        differing.discard("errors")
    if differing:
        details = "; ".join(
            "other input files or sizes"
            if name == "sources"
            else f"{name} was {before.get(name)!r}, now {now[name]!r}"
            for name in sorted(differing)
        )
        raise ValueError(
            f"{output} was prepared with other options: {details}. Use the "
            "same options, or another output directory."
        )


def _check_unchanged(output, files, facts, modified):
    for path, (_, now), before in zip(files, facts, modified):
        if now != before:
            raise ValueError(
                f"{path} has changed since preparing {output} began. Use "
                "another output directory, or delete this one."
            )


def _remove_progress(output):
    path = os.path.join(output, storage.PROGRESS)
    if os.path.exists(path):
        os.remove(path)
