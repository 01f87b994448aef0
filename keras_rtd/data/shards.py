"""Token shards: encoding blocks of documents and writing them to disk.

A shard holds a run of whole documents of one split, in three arrays:
`tokens` (uint16, or uint32 for a vocabulary above 65,536), `documents`
(int64, tokens per document) and `line_starts` (one bit per token, packed).
"""

import numpy as np

from keras_rtd.data import storage

ARRAYS = ("tokens", "documents", "line_starts")


def token_dtype(vocabulary_size):
    """Returns the smallest type that holds every id."""
    return np.uint16 if vocabulary_size <= 1 << 16 else np.uint32


class ShardWriter:
    """Collects encoded documents and writes one shard per split at a time.

    Args:
        directory: str.
        tokenizer: has `encode_batch` and `vocabulary_size`.
        threshold: int, documents with a lower hash are held out.
    """

    def __init__(self, directory, tokenizer, threshold):
        self._directory = directory
        self._tokenizer = tokenizer
        self._threshold = threshold
        self._dtype = token_dtype(tokenizer.vocabulary_size())
        self._clear()

    def _clear(self):
        self.num_tokens = 0
        self._parts = {split: [] for split in storage.SPLITS}

    def add(self, block):
        """Encodes a block's documents."""
        tokens, line_lengths, lines_per_document = self._encode(
            block.documents
        )
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

    def _encode(self, documents):
        lines = "\n".join(documents).split("\n")
        counts = [document.count("\n") + 1 for document in documents]
        encoded = self._tokenizer.encode_batch(lines)
        tokens = np.concatenate(encoded)
        size = self._tokenizer.vocabulary_size()
        if len(tokens) and int(tokens.max()) >= size:
            raise ValueError(
                f"The tokenizer gave the id {tokens.max()}, which is outside "
                f"its vocabulary of {size}."
            )
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        return tokens.astype(self._dtype), lengths, np.array(counts)

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
