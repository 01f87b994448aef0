import numpy as np
import pytest

from keras_rtd.data.counter_random import permute
from keras_rtd.data.counter_random import stream_key
from keras_rtd.data.counter_random import uniform


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 17, 1000, 4097])
def test_a_permutation_has_every_place_once(size):
    places = permute(np.arange(size), size, stream_key(1, 2))
    assert sorted(places) == list(range(size))


def test_permutations_are_uniform():
    counts = np.zeros((5, 5))
    for key in range(3000):
        counts[np.arange(5), permute(np.arange(5), 5, stream_key(key))] += 1
    chi_square = ((counts - 600) ** 2 / 600).sum()
    assert chi_square < 32  # 16 degrees of freedom, p = 0.01


def test_keys_may_differ_per_element():
    index = np.array([3, 3, 4])
    keys = stream_key(5, np.array([0, 1, 1]))
    together = permute(index, 10, keys)
    apart = [
        permute(index[i : i + 1], 10, keys[i : i + 1])[0] for i in range(3)
    ]
    assert together.tolist() == apart


def test_uniform_rows_do_not_depend_on_their_company():
    rows = np.array([7, 1 << 40, 3])
    all_rows = uniform(stream_key(1), rows, 9)
    np.testing.assert_array_equal(
        all_rows[1:2], uniform(stream_key(1), rows[1:2], 9)
    )


def test_uniform_is_uniform_and_independent():
    numbers = uniform(stream_key(0), np.arange(2000), 101)
    assert numbers.dtype == np.float32
    assert 0 <= numbers.min() and numbers.max() < 1
    histogram, _ = np.histogram(numbers, bins=50, range=(0, 1))
    expected = numbers.size / 50
    assert ((histogram - expected) ** 2 / expected).sum() < 80
    rows = np.corrcoef(numbers[:-1].ravel(), numbers[1:].ravel())[0, 1]
    columns = np.corrcoef(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())
    assert abs(rows) < 0.01 and abs(columns[0, 1]) < 0.01
