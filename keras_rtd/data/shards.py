"""Token shards: what a prepared corpus consists of.

A shard holds a run of whole documents of one split, in three arrays:
`tokens` (uint16, or uint32 for a vocabulary above 65,536), `documents`
(int64, tokens per document) and `line_starts` (one bit per token, packed).
"""

import numpy as np

from keras_rtd.data import storage

ARRAYS = ("tokens", "documents", "line_starts")


class ShardWriter:
    """Collects encoded documents and writes one shard per split at a time.

    Args:
        directory: str.
        threshold: int, documents with a lower hash are held out.
    """

    def __init__(self, directory, threshold):
        self._directory = directory
        self._threshold = threshold
        self._clear()

    def _clear(self):
        self.num_tokens = 0
        self._parts: dict[str, list] = {split: [] for split in storage.SPLITS}

    def add(self, block, encoded):
        """Adds a block's documents.

        Args:
            block: `keras_rtd.data.corpus.Block`.
            encoded: result of `keras_rtd.data.encoding.encode_documents`.
        """
        tokens, line_lengths, lines_per_document = encoded
        first_lines = np.cumsum(lines_per_document) - lines_per_document
        lengths = np.add.reduceat(line_lengths, first_lines)
        starts = np.cumsum(line_lengths) - line_lengths
        line_start = np.zeros(len(tokens), bool)
        line_start[starts[line_lengths > 0]] = True
        held_out = block.hashes < self._threshold
        for split, chosen in zip(storage.SPLITS, (~held_out, held_out)):
            of_split = np.repeat(chosen, lengths)
            self._parts[split].append(
                (
                    tokens[of_split],
                    lengths[chosen & (lengths > 0)],
                    line_start[of_split],
                )
            )
        self.num_tokens += len(tokens)

    def unigram_counts(self, vocabulary_size):
        """How often each token was added: (V,) int64 per split."""
        return {
            split: sum(
                (
                    np.bincount(tokens, minlength=vocabulary_size)
                    for tokens, *_ in parts
                ),
                np.zeros(vocabulary_size, np.int64),
            )
            for split, parts in self._parts.items()
        }

    def commit(self, number):
        """Writes what was added as shard `number`, and forgets it.

        Returns:
            list of dict, one per split that had a document.
        """
        shards = []
        for split, parts in self._parts.items():
            if not any(len(lengths) for _, lengths, _ in parts):
                continue
            tokens, lengths, line_start = map(np.concatenate, zip(*parts))
            arrays = (tokens, lengths, np.packbits(line_start))
            files = {
                kind: storage.save_array(
                    self._directory, f"{split}-{number:05d}.{kind}.npy", array
                )
                for kind, array in zip(ARRAYS, arrays)
            }
            shards.append(
                {
                    "split": split,
                    "tokens": len(tokens),
                    "documents": len(lengths),
                    "lines": int(line_start.sum()),
                    "files": files,
                }
            )
        self._clear()
        return shards
