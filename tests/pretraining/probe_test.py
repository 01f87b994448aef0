import numpy as np
import pytest
import scipy.stats
import tiny

from keras_rtd.pretraining.probe import probe_batches
from keras_rtd.pretraining.probe import token_counts
from keras_rtd.pretraining.probe import unigram_distribution

SPECIAL = [0, 2, 3, 4]


def batches(count=40):
    return [tiny.batch(seed, rows=32) for seed in range(count)]


def test_distribution_leaves_out_special_tokens():
    unigram = unigram_distribution(np.array([9, 1, 9, 9, 9, 3]), SPECIAL)
    np.testing.assert_allclose(unigram, [0, 0.25, 0, 0, 0, 0.75])
    with pytest.raises(ValueError, match="no tokens"):
        unigram_distribution(np.array([9, 0, 9, 9, 9, 0]), SPECIAL)


def test_counts_are_of_real_tokens():
    data = batches(3)
    counts = token_counts(data, len(tiny.VOCABULARY), 2)
    ids = np.concatenate([b["token_ids"][b["padding_mask"]] for b in data[:2]])
    np.testing.assert_array_equal(
        counts, np.bincount(ids, minlength=len(tiny.VOCABULARY))
    )


def test_probe_replaces_15_percent_by_frequency_and_nothing_special():
    data = batches()
    unigram = np.zeros(len(tiny.VOCABULARY))
    unigram[[10, 20, 30]] = [0.5, 0.3, 0.2]
    probes = probe_batches(data, unigram, SPECIAL)
    sampled, tokens = [], 0
    for before, after in zip(data, probes):
        old, new = before["token_ids"], after["corrupted_token_ids"]
        changed = old != new
        real = before["padding_mask"] & ~np.isin(old, SPECIAL)
        assert not np.any(changed & ~real)
        sampled.append(new[changed])
        # Samples that hit the word that stood there are not seen as changed.
        tokens += np.sum(real)
        assert after["mask_weights"].sum() == 0
        np.testing.assert_array_equal(after["token_ids"], old)
    sampled = np.concatenate(sampled)
    assert set(sampled) == {10, 20, 30}
    assert len(sampled) / tokens == pytest.approx(0.15, abs=0.01)
    counts = np.array([np.sum(sampled == i) for i in (10, 20, 30)])
    expected = np.array([0.5, 0.3, 0.2]) * counts.sum()
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-3


def test_probe_is_the_same_every_time():
    unigram = np.full(len(tiny.VOCABULARY), 1 / len(tiny.VOCABULARY))
    first = probe_batches(batches(2), unigram, SPECIAL)
    second = probe_batches(batches(2), unigram, SPECIAL)
    for a, b in zip(first, second):
        np.testing.assert_array_equal(
            a["corrupted_token_ids"], b["corrupted_token_ids"]
        )
