"""Held-out text with words swapped by frequency: what runs are compared by.

The discriminator's AUC on its own generator's samples falls while the
generator learns, so it compares nothing. The probe does not move: 15% of the
tokens of held-out windows are replaced by samples from the corpus's unigram
distribution, with a fixed seed, the same for every run on the same data.
"""

import itertools

import numpy as np

from keras_rtd.data.dataset import iterate

# Batches whose tokens are counted where the corpus was not prepared.
COUNTED_BATCHES = 200
RATE = 0.15
SEED = 20_200_310


def unigram_distribution(counts, special_ids):
    """Relative frequencies without special tokens.

    Args:
        counts: int (vocabulary,).
        special_ids: ids that are never sampled.

    Returns:
        float64 (vocabulary,), sum 1.
    """
    weights = np.array(counts, dtype=np.float64)
    weights[list(special_ids)] = 0.0
    if weights.sum() == 0:
        raise ValueError("The corpus has no tokens to sample from.")
    return weights / weights.sum()


def token_counts(dataset, vocabulary_size, batches=COUNTED_BATCHES):
    """How often each token occurs: int64 (vocabulary_size,).

    Args:
        dataset: of `keras_rtd.data.pretraining_dataset`. Prepared data knows
            its counts; of text, the first batches are counted.
        vocabulary_size: int.
        batches: int. How many are counted. Defaults to 200.
    """
    known = getattr(dataset, "unigram_counts", None)
    if known is not None:
        return np.asarray(known)
    counts = np.zeros(vocabulary_size, dtype=np.int64)
    for batch in itertools.islice(iterate(dataset), batches):
        real = np.asarray(batch["padding_mask"], dtype=bool)
        ids = np.asarray(batch["token_ids"])[real]
        counts += np.bincount(ids, minlength=vocabulary_size)
    return counts


def probe_batches(batches, unigram, special_ids):
    """The probe: `batches` with `corrupted_token_ids` in place of masks.

    Args:
        batches: list of dicts of NumPy arrays, held-out windows.
        unigram: float64 (vocabulary,), see `unigram_distribution`.
        special_ids: ids that are never replaced.

    Returns:
        list of dicts for `ElectraPretrainer.evaluate`; their masks weigh
        nothing.
    """
    rng = np.random.Generator(np.random.Philox(SEED))
    cumulative = np.cumsum(unigram)
    probes = []
    for batch in batches:
        ids = np.asarray(batch["token_ids"])
        candidates = np.asarray(batch["padding_mask"], dtype=bool)
        candidates = candidates & ~np.isin(ids, list(special_ids))
        chosen = candidates & (rng.random(ids.shape) < RATE)
        samples = np.searchsorted(cumulative, rng.random(ids.shape), "right")
        samples = np.minimum(samples, len(unigram) - 1)
        probes.append(
            {
                **batch,
                "masked_token_ids": ids,
                "mask_weights": np.zeros_like(batch["mask_weights"]),
                "corrupted_token_ids": np.where(chosen, samples, ids).astype(
                    np.int32
                ),
            }
        )
    return probes
