"""Rows that documents share, with hardly any padding.

Documents stand one after the other as [CLS] text [SEP], and rows are cut from
that. A row that begins within a document gets a [CLS], one that ends within a
document a [SEP], so that every part of a document is a whole input; a [SEP]
that a cut leaves at the beginning of a row, and a [CLS] at its end, are left
out. Written for an array namespace, as `windows`.
"""

TEXT, CLS, SEP, PAD = range(4)


class DocumentPacking:
    """Where the tokens of each row stand.

    Args:
        xp: array namespace: `numpy` or `tf.experimental.numpy`.
        document_lengths: (D,) int64, tokens per document, none 0, in order,
            without gaps between them.
        sequence_length: int, L.

    Attributes:
        num_rows: int64 scalar.
    """

    def __init__(self, xp, document_lengths, sequence_length):
        self._xp = xp
        self._length = sequence_length
        # Two places are kept for what a cut adds.
        self._size = sequence_length - 2
        self._sizes = document_lengths + 2
        self._ends = xp.cumsum(self._sizes)
        self._begins = self._ends - self._sizes
        self._texts = xp.cumsum(document_lengths) - document_lengths
        self._total = xp.sum(self._sizes)
        # The last [SEP] alone is no row: the one before it gets its own.
        self.num_rows = (self._total + self._size - 2) // self._size

    def rows(self, numbers):
        """Some of the rows.

        Args:
            numbers: (B,) int64, from 0 up to `num_rows`.

        Returns:
            Tuple of where the tokens stand among all documents' (B, L) int64,
            0 where there is none; what they are, `TEXT`, `CLS`, `SEP` or
            `PAD`, (B, L) int32; and `document_ids` (B, L) int32, from 1 in
            every row, 0 for padding.
        """
        xp = self._xp
        start = numbers[:, None] * self._size
        stop = xp.minimum(start + self._size, self._total)
        _, first, last = self._locate(start)
        inside = (first > 0) & (first < last)
        begin = start - _int(xp, inside) + _int(xp, first == last)
        _, final, last = self._locate(stop - 1)
        cut = (final > 0) & (final < last)
        end = stop + _int(xp, cut) - _int(xp, final == 0)

        place = begin + xp.arange(self._length)
        within = xp.minimum(xp.maximum(place, start), stop - 1)
        document, offset, last = self._locate(within)
        kind = xp.where(offset == last, SEP, TEXT)
        kind = xp.where((offset == 0) | (place < start), CLS, kind)
        kind = xp.where(place >= stop, SEP, kind)
        kind = xp.where(place >= end, PAD, kind)
        index = xp.take(self._texts, document) + offset - 1
        index = xp.where(kind == TEXT, index, 0 * index)
        number = xp.where(
            kind == PAD, 0 * document, document - document[:, :1] + 1
        )
        return (
            index,
            xp.array(kind, dtype="int32"),
            xp.array(number, dtype="int32"),
        )

    def _locate(self, place):
        """Document of a place, place within it, and that of its [SEP]."""
        xp = self._xp
        document = _search(xp, self._ends, place)
        offset = place - xp.take(self._begins, document)
        return document, offset, xp.take(self._sizes, document) - 1


def fill(xp, tokens, kind, cls_token_id, sep_token_id, pad_token_id):
    """Token ids of rows.

    Args:
        xp: array namespace.
        tokens: (B, L) int32, what stands where `DocumentPacking.rows` says.
        kind: (B, L) int32, of `DocumentPacking.rows`.
        cls_token_id, sep_token_id, pad_token_id: int.

    Returns:
        (B, L) int32.
    """
    special = xp.array([0, cls_token_id, sep_token_id, pad_token_id], "int32")
    return xp.where(kind == TEXT, tokens, xp.take(special, kind))


def _int(xp, flag):
    return xp.array(flag, dtype="int64")


def _search(xp, ends, place):
    """Index of the first end beyond each place."""
    if hasattr(xp, "searchsorted"):
        return xp.searchsorted(ends, place, side="right")
    import tensorflow as tf

    found = tf.searchsorted(
        ends, tf.reshape(place, [-1]), side="right", out_type=tf.int64
    )
    return tf.reshape(found, tf.shape(place))
