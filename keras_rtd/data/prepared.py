"""Batches from a prepared corpus, each a function of (seed, step)."""

import copy
import os
from typing import Any

import numpy as np

from keras_rtd.data import counter_random
from keras_rtd.data import manifest
from keras_rtd.data import packing
from keras_rtd.data import storage
from keras_rtd.data import windows
from keras_rtd.data.advice import warn_of_padding
from keras_rtd.data.local_copy import local_copy
from keras_rtd.data.replacements import data_settings
from keras_rtd.data.shards import ARRAYS
from keras_rtd.layers.masking import mask_tokens

# Numbers of the random streams that a seed has.
_SPLITS, _ORDER, _ROWS = range(3)

REPAIR = "Prepare the corpus again."


class PreparedCorpus:
    """A directory written by `keras_rtd.data.prepare_corpus`.

    Args:
        directory: str or path; of a `://` path a copy is made in the cache
            of this machine, once.
        tokenizer: if given, must be the one that the data was prepared with.
            Defaults to `None`.
        verify: bool. Check the shards' checksums and ids, once per process
            and file. Sizes are always checked. Defaults to `True`.

    Attributes:
        name: str, for messages.
        manifest: dict.
        vocabulary_size: int.
        word_start: (V,) bool, `False` for ids that continue a word.
        unigram_counts: (V,) int64, occurrences in the train split.
        weights: dict of str to float, of the corpora that are mixed by
            weight; empty where there is one.

    Raises:
        ValueError: The directory is unfinished, damaged, of another format
            or of another tokenizer.
    """

    def __init__(self, directory, tokenizer=None, verify=True):
        self.directory = local_copy(os.fspath(directory))
        self.manifest = manifest.load_manifest(self.directory)
        self.weights = {
            corpus["name"]: corpus["weight"]
            for corpus in self.manifest["options"].get("corpora", [])
        }
        self._only = None
        self.name = self.directory
        facts = self.manifest["tokenizer"]
        self.vocabulary_size = facts["vocabulary_size"]
        self.token_ids = {
            name: facts[f"{name}_token_id"]
            for name in ("cls", "sep", "pad", "mask")
        }
        self.unk_token_id = facts.get("unk_token_id")
        if tokenizer is not None:
            manifest.check_tokenizer(self.directory, facts, tokenizer)
        for entry in storage.files_of(self.manifest):
            storage.check_file(self.directory, entry, verify, REPAIR)
        if verify:
            self._check_ids()
        self.word_start = self._load(self.manifest["files"]["word_start"])
        self.unigram_counts = self._load(
            self.manifest["files"]["unigram_counts"]
        )

    def shards(self, split):
        """Returns the arrays of a split's shards.

        Args:
            split: `"train"` or `"validation"`.

        Returns:
            list of dict of memory-mapped arrays: `tokens` (T,), `documents`
            (D,) and `line_starts` (T / 8,) uint8.
        """
        return [
            {kind: self._load(shard["files"][kind]) for kind in ARRAYS}
            for shard in self.manifest["shards"]
            if shard["split"] == split
            if self._only in (None, shard.get("corpus"))
        ]

    def part(self, name):
        """`PreparedCorpus`, one of the corpora of `weights`."""
        part = copy.copy(self)
        part._only = name
        part.name = f"{name} in {self.directory}"
        return part

    def _load(self, entry):
        path = os.path.join(self.directory, entry["file"])
        return np.load(path, mmap_mode="r")

    def _check_ids(self):
        for split in storage.SPLITS:
            for shard in self.shards(split):
                highest = int(shard["tokens"].max())
                if highest >= self.vocabulary_size:
                    raise ValueError(
                        f"{shard['tokens'].filename} has the id {highest}, "
                        "which is outside the vocabulary of "
                        f"{self.vocabulary_size}."
                    )


class PreparedBatches:
    """The batches of one split of a prepared corpus.

    Every epoch goes through all windows in a new random order, with new
    masks. Row r of worker i of n at `step` is example `(step * B + r) * n + i`
    of one endless list, so workers share an epoch without overlap, and with
    `B * n` unchanged a run may go on with another number of workers.

    Args:
        corpus: `PreparedCorpus`.
        options: `keras_rtd.data.dataset.BatchOptions`.
        replacements: `keras_rtd.data.replacements.Replacements`, whose ids
            are then in the batches, and whose last example is followed by its
            first. Defaults to `None`.

    Attributes:
        num_windows: int, windows of the split.
        num_batches: int, steps of one pass; `None` if the batches repeat.
        unigram_counts: see `PreparedCorpus`.

    Raises:
        ValueError: The split has no text, or the replacements are of other
            examples.
    """

    def __init__(self, corpus, options, replacements=None):
        if replacements is not None:
            replacements.check(data_settings(corpus, options))
        self._replacements: Any = replacements
        self._corpus = corpus
        self.unigram_counts = corpus.unigram_counts
        self._options = options
        self._shards = corpus.shards(options.split)
        if not self._shards:
            raise ValueError(
                f"{corpus.name} has no text for split={options.split!r}: "
                "its corpus has too few documents, or was prepared with "
                "validation_fraction="
                f"{corpus.manifest['options']['validation_fraction']}."
            )
        sizes = [len(shard["tokens"]) for shard in self._shards]
        self._first_token = np.cumsum([0, *sizes])
        self._capacity = windows.capacity(
            options.sequence_length, options.segments
        )
        documents = np.concatenate(
            [shard["documents"] for shard in self._shards]
        ).astype(np.int64)
        self._packing: Any = None
        if options.packing:
            self._packing = packing.DocumentPacking(
                np, documents[documents > 0], options.sequence_length
            )
            # Rows by number: where a row starts is known to the packing.
            starts = np.arange(self._packing.num_rows)
            lengths = np.ones_like(starts)
        else:
            starts, lengths = windows.consecutive_windows(
                np, documents, self._capacity
            )
        if options.segments == "pair":
            noise = counter_random.uniform(
                counter_random.stream_key(options.seed, _SPLITS),
                np.arange(len(starts)),
                2,
            )
            starts, lengths = windows.shorten_some(np, starts, lengths, noise)
        self._starts, self._lengths = starts, lengths.astype(np.int32)
        self.num_windows = len(starts)
        if options.split == "train" and not options.packing:
            special = options.sequence_length - self._capacity
            warn_of_padding(
                int(lengths.sum()) + len(lengths) * special,
                len(lengths) * options.sequence_length,
            )
        global_batch = options.batch_size * options.shard[1]
        self.num_batches = (
            None if options.repeat else -(-self.num_windows // global_batch)
        )

    def iterate(self, start_step=0):
        """Yields the batches from a step on."""
        step = start_step
        while self.num_batches is None or step < self.num_batches:
            yield self.batch(step)
            step += 1

    def batch(self, step):
        """Returns the batch of a step.

        Args:
            step: int.

        Returns:
            dict of arrays, see `keras_rtd.data.pretraining_dataset`.
        """
        options = self._options
        worker, workers = options.shard
        row = np.arange(options.batch_size, dtype=np.int64)
        example = (step * options.batch_size + row) * workers + worker
        if self._replacements is not None:
            example = example % self._replacements.examples
        batch = self.rows(example, example)
        if self._replacements is not None:
            batch["sampled_ids"] = self._replacements.rows(example)
        return batch

    def rows(self, example, noise_row):
        """Returns examples as rows of a batch, without replacements.

        Args:
            example: (B,) int64, numbers in the endless list.
            noise_row: (B,) int64, numbers that decide the masks.

        Returns:
            dict of arrays, see `keras_rtd.data.pretraining_dataset`.
        """
        options = self._options
        epoch, place = np.divmod(example, self.num_windows)
        window = counter_random.permute(
            place,
            self.num_windows,
            counter_random.stream_key(options.seed, _ORDER, epoch),
        )
        lengths = self._lengths[window]
        if not options.repeat:
            lengths = np.where(epoch == 0, lengths, np.int32(0))
        planes = options.masking.noise_planes
        length = options.sequence_length
        noise = counter_random.uniform(
            counter_random.stream_key(options.seed, _ROWS),
            noise_row,
            2 + planes * length,
        )
        ids = self._corpus.token_ids
        special = {
            f"{name}_token_id": ids[name] for name in ("cls", "sep", "pad")
        }
        starts = self._starts[window]
        if self._packing is None:
            rows = self._rows(starts, lengths, noise[:, :2], special)
        else:
            rows = self._shared_rows(window, lengths, special)
        token_ids = rows["token_ids"]
        masked = mask_tokens(
            np,
            token_ids,
            rows["padding_mask"],
            noise[:, 2:].reshape(-1, planes, length).swapaxes(0, 1),
            options=options.masking,
            mask_token_id=ids["mask"],
            excluded_ids=options.masking.excluded_ids(
                ids.values(), self._corpus.unk_token_id
            ),
            word_start=self._corpus.word_start[token_ids],
        )
        return {**rows, **masked}

    def _rows(self, starts, lengths, noise, special):
        tokens, line_start = self._gather(starts)
        token_ids, segment_ids, padding_mask = windows.assemble(
            np,
            tokens,
            lengths,
            line_start,
            self._corpus.word_start[tokens],
            noise,
            segments=self._options.segments,
            **special,
        )
        return {
            "token_ids": token_ids,
            "segment_ids": segment_ids,
            "padding_mask": padding_mask,
        }

    def _shared_rows(self, numbers, lengths, special):
        index, kind, document_ids = self._packing.rows(numbers)
        missing = lengths[:, None] == 0
        kind = np.where(missing, np.int32(packing.PAD), kind)
        document_ids = np.where(missing, np.int32(0), document_ids)
        tokens = np.empty(index.shape, np.int32)
        shard_of_token = np.searchsorted(self._first_token, index, "right") - 1
        for number in np.unique(shard_of_token):
            here = shard_of_token == number
            first = index[here] - self._first_token[number]
            tokens[here] = self._shard(number)["tokens"][first]
        return {
            "token_ids": packing.fill(np, tokens, kind, **special),
            "segment_ids": np.zeros_like(document_ids),
            "padding_mask": document_ids > 0,
            "document_ids": document_ids,
        }

    def _shard(self, number):
        shard = self._shards[number]
        for kind in ("tokens", "line_starts"):
            storage.check_mapped(shard[kind])
        return shard

    def _gather(self, starts):
        """Reads (B, C) tokens and line starts from where rows begin."""
        shape = (len(starts), self._capacity)
        tokens = np.empty(shape, np.int32)
        line_start = np.empty(shape, bool)
        shard_of_row = np.searchsorted(self._first_token, starts, "right") - 1
        for number in np.unique(shard_of_row):
            rows = shard_of_row == number
            shard = self._shard(number)
            first = starts[rows] - self._first_token[number]
            index = first[:, None] + np.arange(self._capacity)
            # What lies after a row's length is not looked at.
            np.minimum(index, len(shard["tokens"]) - 1, out=index)
            tokens[rows] = shard["tokens"][index]
            bits = shard["line_starts"][index >> 3]
            line_start[rows] = (bits >> (7 - (index & 7))) & 1
        return tokens, line_start
