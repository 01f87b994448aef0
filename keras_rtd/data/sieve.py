"""What preparing leaves out: documents that were there before, and bad
records."""

import hashlib
import operator
import unicodedata

import numpy as np

# Words of the vocabulary that show what a tokenizer does not see.
_WORDS = 256


class Sieve:
    """Passes blocks on, without empty ones and, if asked, without duplicates.

    Two documents are equal if they differ only in Unicode normalisation, in
    spaces, and in what the tokenizer does not see: case, accents.

    Args:
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        drop_duplicates: bool. Of equal documents the first stays. Takes about
            80 bytes of memory a document.

    Attributes:
        rest: tuple of int, see `blocks`.
    """

    def __init__(self, tokenizer, drop_duplicates):
        self._drops = drop_duplicates
        self._lowers = drop_duplicates and _ignores(tokenizer, str.upper)
        self._strips = drop_duplicates and _ignores(tokenizer, _accented)
        self._seen: set[int] = set()
        self.rest = (0, 0)

    def blocks(self, blocks, start=(0, 0)):
        """Yields blocks, whose `skipped` and `duplicates` count what was left
        out since the block before.

        What is left out after the last is in `rest`.

        Args:
            blocks: iterator of `keras_rtd.data.corpus.Block`, from the
                corpus's beginning where duplicates are dropped.
            start: tuple of file and block index, the first to be yielded.
        """
        skipped = duplicates = 0
        for block in blocks:
            number = len(block.documents)
            if self._drops:
                new = np.array([*map(self._is_new, block.documents)], bool)
                block = block._replace(
                    documents=[d for d, n in zip(block.documents, new) if n],
                    hashes=block.hashes[new],
                )
            if (block.file, block.number) < start:
                continue
            skipped += block.skipped
            duplicates += number - len(block.documents)
            if block.documents:
                yield block._replace(skipped=skipped, duplicates=duplicates)
                skipped = duplicates = 0
        self.rest = (skipped, duplicates)

    def _is_new(self, text):
        if not text.isascii():
            text = unicodedata.normalize("NFD" if self._strips else "NFC", text)
        if self._lowers:
            text = text.lower()
        if self._strips and not text.isascii():
            text = "".join(c for c in text if unicodedata.category(c) != "Mn")
        data = " ".join(text.split()).encode()
        digest = hashlib.blake2b(data, digest_size=8).digest()
        number = int.from_bytes(digest, "big")
        is_new = number not in self._seen
        self._seen.add(number)
        return is_new


def _ignores(tokenizer, change):
    """Whether a change of a word leaves a tokenizer's ids as they are."""
    texts = (text.strip() for text in tokenizer.piece_texts)
    words = [w for w in texts if w[:1].isalpha() and change(w) != w][:_WORDS]
    before = tokenizer.encode_batch(words)
    after = tokenizer.encode_batch([*map(change, words)])
    same = sum(map(operator.eq, before, after))
    # Not all: the capital of ß is SS.
    return same > 0.9 * len(words)


def _accented(word):
    return f"{word[0]}\u0301{word[1:]}"
