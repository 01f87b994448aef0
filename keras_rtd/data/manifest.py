"""What a prepared corpus says of itself: options, shards, tokenizer."""

import json

import numpy as np

from keras_rtd.data import corpus
from keras_rtd.data import holdout
from keras_rtd.data import readers
from keras_rtd.data import storage
from keras_rtd.data.corpora import resolve
from keras_rtd.data.files import file_facts
from keras_rtd.utils import json_file
from keras_rtd.utils.remote import is_remote
from keras_rtd.utils.setting import check_int

_TOKEN_IDS = tuple(f"{n}_token_id" for n in ("cls", "sep", "pad", "mask"))


def preparation_options(
    data,
    tokenizer,
    reading,
    validation_fraction=0.01,
    shard_tokens=1 << 25,
    drop_duplicates=False,
):
    """What decides the files of prepared data; arguments of `prepare_corpus`.

    Returns:
        tuple of dict, as the manifest holds it; list of int, when each file
        was modified; and list of `keras_rtd.data.corpora.Corpus`, resolved.

    Raises:
        ValueError: A bad argument, no files, or a binary one.
    """
    check_int("shard_tokens", shard_tokens, 1)
    corpus.check_reading(reading)
    holdout.check_validation_fraction(validation_fraction)
    if not isinstance(drop_duplicates, bool):
        raise ValueError(
            "`drop_duplicates` must be True or False. "
            f"Received: drop_duplicates={drop_duplicates!r}"
        )
    resolved = resolve(data)
    files = [file for each in resolved for file in each.data]
    for path in files:
        # Binary files are found now, not hours later.
        if isinstance(path, str) and not is_remote(path):
            with readers.Source(path) as source:
                readers.format_of(source, reading.encoding)
    facts = [_facts(file, reading) for file in files]
    options = {
        "format_version": storage.FORMAT_VERSION,
        "documents": reading.documents,
        "errors": reading.errors,
        "shard_tokens": shard_tokens,
        "text_field": reading.text_field,
        "tokenizer": tokenizer.fingerprint(),
        "validation_fraction": validation_fraction,
        "sources": [source for source, _ in facts],
    }
    # What earlier versions had not is there where it is used.
    added = {
        "encoding": reading.encoding,
        "skip_bad": reading.skip_bad,
        "drop_duplicates": drop_duplicates,
        "corpora": [
            {"name": each.name, "weight": each.weight, "files": len(each.data)}
            for each in resolved
            if each.name is not None
        ],
    }
    options |= {name: value for name, value in added.items() if value}
    return options, [modified for _, modified in facts], resolved


def _facts(file, reading):
    """(what the manifest says of a file or of Python records, when it was
    modified)"""
    if isinstance(file, str):
        size, modified = file_facts(file)
        return {"path": file, "bytes": size}, modified
    for _ in file.pieces(reading):
        break
    facts = {"path": file.name, "bytes": 0, "content": file.fingerprint()}
    return facts, 0


def write_manifest(output, tokenizer, options, shards, unigrams, left_out=None):
    """Writes what makes shards a prepared corpus.

    Args:
        output: str, directory.
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        options: dict, see `preparation_options`.
        shards: list of dict, what `ShardWriter.commit` returned, in order.
        unigrams: dict of (V,) int64 per split.
        left_out: dict of int, or `None` where nothing may be left out.

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
        **({} if left_out is None else {"left_out": left_out}),
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
    names = now.keys() | before.keys()
    differing = {name for name in names if before.get(name) != now.get(name)}
    # Text that was read without complaint reads the same under "replace".
    if before.get("errors") == "strict":
        differing.discard("errors")
    if differing:
        details = "; ".join(
            "other input files or sizes"
            if name == "sources"
            else f"{name} was {before.get(name)!r}, now {now.get(name)!r}"
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
    _check_types(json_file.Node(manifest, f"{directory}/{storage.MANIFEST}"))
    return manifest


def _check_types(manifest):
    """Refuse what the rest of the package could not read."""
    facts = manifest["tokenizer"]
    facts["fingerprint"].of(str)
    for name in ("vocabulary_size", *_TOKEN_IDS):
        facts[name].of(int)
    manifest["options"].of(dict)
    for split in storage.SPLITS:
        counts = manifest["counts"][split]
        for name in counts.of(dict):
            counts[name].of(int)
    for name in ("unigram_counts", "word_start"):
        manifest["files"][name].of(dict)
    for shard in manifest["shards"].items():
        shard["split"].of(str)
        for name in ("tokens", "documents", "line_starts"):
            shard["files"][name].of(dict)


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
