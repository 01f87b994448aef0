"""Prepared corpora that are mixed by weight, each step a function of the seed.

Examples are dealt in hands of `HAND` or more, in which every corpus has its
share exactly, in an order of the hand's own.
"""

import os

import numpy as np

from keras_rtd.data import counter_random
from keras_rtd.data import storage
from keras_rtd.data.corpora import parse
from keras_rtd.data.prepared import PreparedBatches
from keras_rtd.data.prepared import PreparedCorpus
from keras_rtd.data.python_records import is_paths
from keras_rtd.data.replacements import Replacements

# Number of the random stream, beside those of `keras_rtd.data.prepared` and
# `keras_rtd.data.replacements`.
_HANDS = 4
HAND = 1000
# The rarest corpus has at least that many examples of a hand.
_LEAST = 10


def open_prepared(data, tokenizer=None, verify=True):
    """The prepared corpora that data stand for.

    Args:
        data, tokenizer, verify: see `keras_rtd.data.pretraining_dataset`.

    Returns:
        list of (`PreparedCorpus`, weight); empty for text.

    Raises:
        ValueError: Prepared data beside text, or several without weights.
    """
    corpora = parse(data)
    paths = [path for corpus in corpora for path in _paths(corpus.data)]
    prepared = [path for path in paths if storage.is_prepared(path)]
    if not prepared:
        return []
    if len(prepared) < len(corpora) or len(paths) > len(corpora):
        raise ValueError(
            f"{os.fspath(prepared[0])} is prepared data, which is given alone "
            "or with other prepared data, each with a weight, and not with "
            f"text. Received {max(len(paths), len(corpora))} paths."
        )
    opened = [PreparedCorpus(path, tokenizer, verify) for path in prepared]
    if len(opened) == 1 and opened[0].weights:
        (whole,) = opened
        return [(whole.part(n), w) for n, w in whole.weights.items()]
    return [(part, corpus.weight) for part, corpus in zip(opened, corpora)]


def prepared_batches(prepared, options, replacements=None):
    """The batches of prepared corpora.

    Args:
        prepared: list that `open_prepared` returns.
        options: `keras_rtd.data.dataset.BatchOptions`.
        replacements: str or path, for one corpus. Defaults to `None`.

    Returns:
        `PreparedBatches`: mixed by weight where they repeat, otherwise all of
        each.
    """
    parts, weights = zip(*prepared)
    if len(parts) == 1:
        sampled = None if replacements is None else Replacements(replacements)
        return PreparedBatches(parts[0], options, sampled)
    if options.repeat:
        return MixedBatches(parts, weights, options)
    return PreparedBatches(PreparedUnion(parts), options)


def _paths(data):
    if not is_paths(data):
        return []
    paths = [data] if isinstance(data, (str, os.PathLike)) else data
    return [path for path in paths if isinstance(path, (str, os.PathLike))]


class PreparedUnion:
    """Several prepared corpora, one after the other, as if they were one.

    Args:
        parts: list of `keras_rtd.data.prepared.PreparedCorpus`.

    Attributes: those of the first that `PreparedBatches` asks for.

    Raises:
        ValueError: They are of different tokenizers.
    """

    def __init__(self, parts):
        first = parts[0]
        for part in parts[1:]:
            facts = [
                p.manifest["tokenizer"]["fingerprint"] for p in (first, part)
            ]
            if facts[0] != facts[1]:
                raise ValueError(
                    f"{first.directory} and {part.directory} were prepared "
                    "with different tokenizers. Prepare one of them again."
                )
        self._parts = parts
        self.name = ", ".join(part.name for part in parts)
        self.weights: dict = {}
        self.manifest = first.manifest
        self.token_ids = first.token_ids
        self.unk_token_id = first.unk_token_id
        counts = {part.directory: part.unigram_counts for part in parts}
        self.unigram_counts = sum(counts.values())
        self.word_start = first.word_start

    def shards(self, split):
        return [shard for part in self._parts for shard in part.shards(split)]


class MixedBatches(PreparedBatches):
    """Endless batches of several corpora, each in its own epochs.

    Args:
        parts: list of `keras_rtd.data.prepared.PreparedCorpus`.
        weights: list of float, above 0.
        options: `keras_rtd.data.dataset.BatchOptions`, with `repeat`.

    Raises:
        ValueError: A corpus has no text of the split.
    """

    def __init__(self, parts, weights, options):
        self._options = options
        self._replacements = None
        # Which depend on the weights: to be counted in batches.
        self.unigram_counts = None
        self._parts = [PreparedBatches(part, options) for part in parts]
        self.num_windows = sum(part.num_windows for part in self._parts)
        self.num_batches = None
        shares = np.array(weights) / sum(weights)
        hand = max(HAND, int(np.ceil(_LEAST / shares.min())))
        self._counts = np.floor(shares * hand).astype(np.int64)
        # What is left goes to the corpora that lost most.
        lost = np.argsort(self._counts - shares * hand, kind="stable")
        self._counts[lost[: hand - self._counts.sum()]] += 1

    def deal(self, example):
        """Which corpus an example is of, and which example of that.

        Args:
            example: (B,) int64.

        Returns:
            Tuple of the corpus's number (B,) and the example's (B,), int64.
        """
        ends = np.cumsum(self._counts)
        hand, place = np.divmod(example, ends[-1])
        place = counter_random.permute(
            place,
            ends[-1],
            counter_random.stream_key(self._options.seed, _HANDS, hand),
        )
        number = np.searchsorted(ends, place, "right")
        counts = self._counts[number]
        return number, hand * counts + place - (ends[number] - counts)

    def rows(self, example, noise_row):
        number, inner = self.deal(example)
        batch: dict = {}
        for i in np.unique(number):
            mine = number == i
            rows = self._parts[i].rows(inner[mine], noise_row[mine])
            for name, value in rows.items():
                if name not in batch:
                    shape = (len(example), *value.shape[1:])
                    batch[name] = np.empty(shape, value.dtype)
                batch[name][mine] = value
        return batch
