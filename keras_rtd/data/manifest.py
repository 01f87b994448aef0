"""What a prepared corpus says of itself: options, shards, tokenizer."""

import json

import numpy as np

from keras_rtd.data import corpus
from keras_rtd.data import holdout
from keras_rtd.data import readers
from keras_rtd.data import storage
from keras_rtd.data.files import file_facts
from keras_rtd.data.files import resolve_files
from keras_rtd.utils.remote import is_remote
from keras_rtd.utils.setting import check_int


def preparation_options(
    patterns,
    tokenizer,
    documents="blank_line",
    text_field="text",
    errors="strict",
    validation_fraction=0.01,
    shard_tokens=1 << 25,
):
    """What decides the files of prepared data; arguments of `prepare_corpus`.

    Returns:
        tuple of dict, as the manifest holds it, and list of int, when each
        file was modified.

    Raises:
        ValueError: A bad argument, no files, or a binary one.
    """
    check_int("shard_tokens", shard_tokens, 1)
    corpus.check_reading(documents, text_field, errors)
    holdout.check_validation_fraction(validation_fraction)
    files = resolve_files(patterns)
    for path in files:
        # Binary files are found now, not hours later.
        if not is_remote(path):
            with readers.Source(path) as source:
                readers.format_of(source)
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
    return options, [modified for _, modified in facts]


def write_manifest(output, tokenizer, options, shards, unigrams):
    """Writes what makes shards a prepared corpus.

    Args:
        output: str, directory.
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        options: dict, see `preparation_options`.
        shards: list of dict, what `ShardWriter.commit` returned, in order.
        unigrams: dict of (V,) int64 per split.

    Returns:
        dict, the manifest.

    Raises:
        ValueError: There are no shards.
    """
    size = tokenizer.vocabulary_size()
    counts = {
        split: {"documents": 0, "lines": 0, "tokens": 0, "shards": 0}
        for split in storage.SPLITS
    }
    for shard in shards:
        of_split = counts[shard["split"]]
        of_split["shards"] += 1
        for kind in ("documents", "lines", "tokens"):
            of_split[kind] += shard[kind]
    if not shards:
        raise ValueError(
            "The corpus is empty: the tokenizer finds no token in it."
        )
    for split, of_split in counts.items():
        unknown = tokenizer.unk_token_id
        of_split["unknown_tokens"] = (
            0 if unknown is None else int(unigrams[split][unknown])
        )
    config = tokenizer.get_config()
    # Keras numbers names within a process: they say nothing about the data.
    config.pop("name", None)
    manifest = {
        "format_version": storage.FORMAT_VERSION,
        "options": options,
        "tokenizer": {
            "config": json.loads(json.dumps(config, default=str)),
            "fingerprint": tokenizer.fingerprint(),
            "vocabulary_size": size,
            **{
                f"{name}_token_id": getattr(tokenizer, f"{name}_token_id")
                for name in ("cls", "sep", "pad", "mask", "unk")
            },
        },
        "counts": counts,
        "shards": shards,
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


def check_same(output, before, now):
    """Raises ValueError where prepared data has other options than `now`."""
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


def load_manifest(directory):
    """The manifest of a finished directory of this format."""
    manifest = storage.load_json(directory, storage.MANIFEST)
    if manifest is None:
        raise ValueError(
            f"{directory} is not finished: run the same "
            "`python -m keras_rtd.data.prepare` command again."
        )
    version = manifest.get("format_version")
    if version != storage.FORMAT_VERSION:
        raise ValueError(
            f"{directory} has format version {version}; this version of "
            f"keras_rtd reads {storage.FORMAT_VERSION}. Prepare it again."
        )
    return manifest


def check_tokenizer(directory, facts, tokenizer):
    """Refuse a tokenizer that the data was not prepared with."""
    fingerprint = tokenizer.fingerprint()
    if fingerprint != facts["fingerprint"]:
        raise ValueError(
            f"{directory} was prepared with another tokenizer: fingerprint "
            f"{facts['fingerprint'][:16]}… ({facts['vocabulary_size']} "
            f"tokens) there, {fingerprint[:16]}… "
            f"({tokenizer.vocabulary_size()} tokens) here. Prepare the corpus "
            "again, or use the tokenizer it was prepared with."
        )
