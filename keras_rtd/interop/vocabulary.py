"""A pretrained model with another vocabulary."""

import numpy as np
from keras import ops

from keras_rtd.interop import assembly
from keras_rtd.models import ElectraPreprocessor
from keras_rtd.models.encoders import SEPARATE
from keras_rtd.models.weight_copies import copy_own_weights
from keras_rtd.models.weight_copies import own_weights

SPECIAL = ("cls", "sep", "pad", "mask", "unk")


def change_vocabulary(pretrainer, tokenizer):
    """The same model for another tokenizer.

    Tokens of both vocabularies keep their vectors, and special tokens keep
    theirs whatever they are called. A new token starts from the mean of the
    pieces that the old tokenizer splits it into, so that a text means at
    first about what it did; one that the old tokenizer does not know at all
    starts as [UNK]. The generator's output bias goes the same way. The
    optimiser starts anew.

    Args:
        pretrainer: `ElectraPretrainer` with its tokenizer.
        tokenizer: `keras_rtd.tokenizers.Tokenizer`, the new one.

    Returns:
        (pretrainer, counts): a new `ElectraPretrainer`, and a dict with the
        number of tokens that are `kept`, `split` and `unknown`.

    Raises:
        ValueError: a pretrainer without tokenizer, or whose encoders have
            separate embeddings.
    """
    if pretrainer.embedding_sharing == SEPARATE:
        raise ValueError(
            "The vocabulary of encoders that share their embeddings can be "
            f"changed. Received: {pretrainer.embedding_sharing!r}"
        )
    old = pretrainer.tokenizer
    if old is None:
        raise ValueError(
            "The pretrainer has no tokenizer, so that nothing says which of "
            "its vectors are whose. Load it with its vocabulary."
        )
    pieces, counts = old_pieces(old, tokenizer)
    changed = assembly.rebuild(
        pretrainer,
        preprocessor=ElectraPreprocessor(
            tokenizer,
            sequence_length=pretrainer.preprocessor.sequence_length,
            truncate=pretrainer.preprocessor.truncate,
        ),
        vocabulary_size=tokenizer.vocabulary_size(),
    )
    _copy_weights(pretrainer, changed, pieces)
    return changed, counts


def _copy_weights(old, new, pieces):
    def by_token(array, rows):
        values = np.stack([array[ids].mean(0) for ids in pieces])
        extra = [(0, rows - len(values))] + [(0, 0)] * (values.ndim - 1)
        return np.pad(values, extra)

    # The generator's first: what a discriminator adds is the difference.
    for name in ("generator", "backbone"):
        if getattr(old, name) is None:
            continue
        theirs, ours = (getattr(m, name).embeddings for m in (old, new))
        copy_own_weights(theirs.layer_norm, ours.layer_norm)
        tables = [ops.convert_to_numpy(t) for t in theirs.tables()]
        tables[0] = by_token(tables[0], ours.token_table.shape[0])
        ours.assign_tables(tables)
    for name in ("backbone", "generator", *old.head_names):
        layers = [getattr(model, name) for model in (old, new)]
        if layers[0] is None:
            continue
        bias = getattr(layers[0], "bias", None)
        for source, target in zip(*map(own_weights, layers), strict=True):
            value = ops.convert_to_numpy(source)
            if source is bias:
                value = by_token(value, target.shape[0])
            target.assign(value)


def old_pieces(old, new):
    """What each token of a new vocabulary is in an old one.

    Args:
        old, new: `keras_rtd.tokenizers.Tokenizer`, of any kind.

    Returns:
        (pieces, counts): a list of lists of old ids, one for each new token,
        and the counts of `change_vocabulary`.
    """
    same = {
        getattr(new, f"{name}_token_id"): getattr(old, f"{name}_token_id")
        for name in SPECIAL
    }
    unknown = [old.empty_word_id]
    ids: dict[str, int] = {}
    for i, text in enumerate(old.piece_texts):
        ids.setdefault(text, i)
    counts = {"kept": 0, "split": 0, "unknown": 0}
    pieces = []
    for token, text in enumerate(new.piece_texts):
        known = same.get(token, ids.get(text))
        if known is not None:
            pieces.append([known])
            counts["kept"] += 1
            continue
        found = old.encode_piece(text) or unknown
        counts["unknown" if found == unknown else "split"] += 1
        pieces.append(found)
    return pieces, counts
