"""In which order a split's documents are read on the fly, without TensorFlow.

A function of the seed: the same again, for a run that is resumed.
"""

import numpy as np

from keras_rtd.data import counter_random
from keras_rtd.data.corpus import read_blocks

# Numbers of the random streams that a seed has; see also `streaming`.
FILES, DOCUMENTS = range(2)

# Corpora take turns with that many characters.
_TURN = 1 << 15


def blocks_of_documents(
    corpora, options, reading, thresholds, shard=(0, 1), repeat=False
):
    """Yields a split's documents.

    Files and the documents within a block come in a new order every epoch. Of
    corpora with weights, the one that is most behind its share of the
    characters is next, and each begins its epochs by itself; without `repeat`
    they follow each other, each once.

    Args:
        corpora: list of `keras_rtd.data.corpora.Corpus`, resolved, whose
            weights are of their characters.
        options: `keras_rtd.data.dataset.BatchOptions`.
        reading: `keras_rtd.data.readers.Reading`.
        thresholds: list of int, one for each corpus, see `CorpusScan`.
        shard: tuple `(i, n)`, every n-th document. Defaults to all.
        repeat: bool. Defaults to `False`.

    Yields:
        (number of the block, list of str).
    """
    streams = [
        _blocks(corpus, number, options, reading, threshold, shard, repeat)
        for number, (corpus, threshold) in enumerate(zip(corpora, thresholds))
    ]
    if len(streams) == 1:
        yield from streams[0]
        return
    turns = [_turns(stream) for stream in streams]
    if repeat:
        mixed = _mixed(turns, [corpus.weight for corpus in corpora])
    else:
        mixed = (texts for turn in turns for texts in turn)
    yield from enumerate(mixed)


def _blocks(corpus, number, options, reading, threshold, shard, repeat):
    """`blocks_of_documents` of one corpus."""
    # The only corpus, or the first, is read as it would be alone.
    seed = (options.seed, number) if number else (options.seed,)
    files = corpus.data
    epoch, block_number, document = 0, 0, 0
    while True:
        found = False
        order = _shuffled(len(files), *seed, FILES, epoch)
        for block in read_blocks([files[i] for i in order], reading):
            held_out = block.hashes < threshold
            chosen = held_out == (options.split == "validation")
            index = np.flatnonzero(chosen)
            mine = (document + np.arange(len(index))) % shard[1] == shard[0]
            document += len(index)
            index = index[mine]
            place = _shuffled(len(index), *seed, DOCUMENTS, block_number)
            texts = [block.documents[i] for i in index[place]]
            if texts:
                found = True
                yield block_number, texts
            block_number += 1
        if not repeat:
            return
        if not found:
            raise ValueError(
                f"The corpus {corpus.name or ''} has no document for "
                f"split={options.split!r}, shard={shard}."
            )
        epoch += 1


def _turns(stream):
    """Cuts blocks into lists of documents of about `_TURN` characters."""
    for _, texts in stream:
        turn, size = [], 0
        for text in texts:
            turn.append(text)
            size += len(text)
            if size >= _TURN:
                yield turn
                turn, size = [], 0
        if turn:
            yield turn


def _mixed(turns, weights):
    """Yields from endless iterators so that characters are as the weights."""
    used = np.zeros(len(turns))
    while True:
        number = int(np.argmin(used / weights))
        texts = next(turns[number])
        used[number] += sum(map(len, texts))
        yield texts


def _shuffled(size, *parts):
    key = counter_random.stream_key(*parts)
    return counter_random.permute(np.arange(size), size, key) if size else []
