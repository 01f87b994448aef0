"""Preparing a corpus that is too large for one machine, as an Apache Beam
pipeline: the files are those of `prepare_corpus`, bit for bit."""

import bisect
import os
import pickle

import apache_beam as beam
import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions

from keras_rtd.data import corpus
from keras_rtd.data import holdout
from keras_rtd.data import readers
from keras_rtd.data import storage
from keras_rtd.data.encoding import encode_documents
from keras_rtd.data.manifest import check_same
from keras_rtd.data.manifest import preparation_options
from keras_rtd.data.manifest import write_manifest
from keras_rtd.data.shards import ShardWriter
from keras_rtd.utils.remote import is_remote


def prepare_corpus_with_beam(
    patterns, output, tokenizer, beam_arguments=(), **arguments
):
    """Writes a corpus as token shards with a manifest, by Apache Beam.

    Every worker reads the corpus and writes the output, so both lie where all
    of them reach: in an object store, or on a file system of all.

    Args:
        patterns, output, tokenizer: see `prepare_corpus`; `output` may be a
            `://` path.
        beam_arguments: list of str, Beam's own: `--runner=DirectRunner`,
            `--project=…`. Defaults to none.
        **arguments: `documents`, `text_field`, `errors`, `encoding`,
            `validation_fraction` and `shard_tokens` of `prepare_corpus`.

    Returns:
        dict, the manifest.

    Raises:
        ValueError: See `prepare_corpus`.
    """
    output = os.fspath(output)
    others = {
        name: arguments.pop(name)
        for name in ("validation_fraction", "shard_tokens", "drop_duplicates")
        if name in arguments
    }
    reading = readers.Reading(**arguments)
    options, _, corpora = preparation_options(
        patterns, tokenizer, reading, **others
    )
    paths = corpora[0].data
    needs_order = {
        "drop_duplicates": "drop_duplicates" in options,
        "skip_bad": reading.skip_bad,
        "corpora with weights": corpora[0].name is not None,
        "data that is no path": not all(isinstance(p, str) for p in paths),
    }
    for name, asked in needs_order.items():
        if asked:
            raise ValueError(
                f"With --runner there is no {name}: Beam's workers see only "
                "their own part of the corpus. Prepare without --runner."
            )
    storage.check_output(output, paths)
    manifest = storage.load_json(output, storage.MANIFEST)
    if manifest is not None:
        check_same(output, manifest["options"], options)
        return manifest
    threshold = holdout.scan_corpus(
        paths, reading, options["validation_fraction"], enough=(1, 0)
    ).threshold
    # Workers may be other machines.
    pickled = pickle.dumps(tokenizer)
    size = tokenizer.vocabulary_size()
    if not is_remote(output):
        os.makedirs(output, exist_ok=True)
    with beam.Pipeline(options=PipelineOptions(list(beam_arguments))) as p:
        blocks = (
            p
            | "Files" >> beam.Create(list(enumerate(paths)))
            | "Files apart" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(_read, reading)
            # A large file's blocks go to all workers.
            | "Blocks apart" >> beam.Reshuffle()
            | "Encode" >> beam.ParDo(_Encode(pickled))
        )
        starts = (
            blocks
            | "Sizes" >> beam.Map(lambda item: (item[0], len(item[1][1][0])))
            | "All sizes" >> beam.combiners.ToList()
            | "Starts" >> beam.Map(shard_starts, options["shard_tokens"])
        )
        (
            blocks
            | "Number" >> beam.Map(_numbered, beam.pvalue.AsSingleton(starts))
            | "Shards" >> beam.GroupByKey()
            | "Write" >> beam.Map(_write, output, threshold, size)
            | "All shards" >> beam.combiners.ToList()
            | "Manifest" >> beam.ParDo(_Finish(output, pickled, options))
        )
    return storage.load_json(output, storage.MANIFEST)


def shard_starts(sizes, shard_tokens):
    """Where shards begin.

    Args:
        sizes: list of ((file, number), tokens), one per block, in any order.
        shard_tokens: int, tokens after which a shard is closed.

    Returns:
        list of (file, number), the first block of each shard.
    """
    starts, tokens = [], shard_tokens
    for key, size in sorted(sizes):
        if tokens >= shard_tokens:
            starts.append(key)
            tokens = 0
        tokens += size
    return starts


def _read(file, reading):
    number, path = file
    for block in corpus.read_blocks([path], reading):
        yield (number, block.number), (block.documents, block.hashes)


class _Encode(beam.DoFn):
    """Documents to ids; the tokenizer is made once per worker."""

    def __init__(self, pickled):
        self.pickled = pickled

    def setup(self):
        self.tokenizer = pickle.loads(self.pickled)

    def process(self, item):
        key, (documents, hashes) = item
        yield key, (hashes, encode_documents(self.tokenizer, documents))


def _numbered(item, starts):
    key = item[0]
    return bisect.bisect_right(starts, key) - 1, item


def _write(shard, output, threshold, vocabulary_size):
    """(records of the manifest, counts of tokens per split) of a shard."""
    number, items = shard
    writer = ShardWriter(output, threshold)
    for (file, index), (hashes, encoded) in sorted(
        items, key=lambda item: item[0]
    ):
        writer.add(corpus.Block([], hashes, file, index, 0), encoded)
    counts = writer.unigram_counts(vocabulary_size)
    records = writer.commit(number) if writer.num_tokens else []
    return number, records, counts


class _Finish(beam.DoFn):
    """Writes the manifest, when all shards are there."""

    def __init__(self, output, pickled, options):
        self.output = output
        self.pickled = pickled
        self.options = options

    def process(self, shards):
        shards = sorted(shards, key=lambda shard: shard[0])
        records = [record for _, found, _ in shards for record in found]
        tokenizer = pickle.loads(self.pickled)
        zeros = np.zeros(tokenizer.vocabulary_size(), np.int64)
        counts = {
            split: sum((c[split] for *_, c in shards), zeros)
            for split in storage.SPLITS
        }
        write_manifest(self.output, tokenizer, self.options, records, counts)
