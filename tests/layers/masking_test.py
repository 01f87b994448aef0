import collections

import keras
import numpy as np
import pytest
from keras import ops

from keras_rtd.layers.masking import MaskingOptions
from keras_rtd.layers.masking import mask_tokens

PAD, UNK, CLS, SEP, MASK = range(5)
EXCLUDED = [PAD, CLS, SEP, MASK]
OPTIONS = [
    MaskingOptions(),
    MaskingOptions(mask_rate=0.4, keep_rate=0.0),
    MaskingOptions(with_replacement=True),
    MaskingOptions(whole_words=True),
    MaskingOptions(max_ngram=3),
    MaskingOptions(whole_words=True, max_ngram=3),
    MaskingOptions(windows=True),
]


def rows(count=400, length=64, seed=0):
    """Token ids, padding mask and word starts of rows of any length."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(5, 1000, (count, length)).astype("int32")
    sizes = rng.integers(3, length + 1, count)
    sizes[: count // 2] = length
    real = np.arange(length) < sizes[:, None]
    word_start = rng.random((count, length)) < 0.7
    for row, size in enumerate(sizes):
        ids[row, 0] = CLS
        ids[row, [size // 2, size - 1]] = SEP
        ids[row, rng.integers(1, size)] = UNK
    ids = np.where(real, ids, PAD).astype("int32")
    return ids, real, word_start | np.isin(ids, EXCLUDED)


def mask(options, ids, real, word_start, seed=0, xp=np):
    shape = (options.noise_planes, *ids.shape)
    noise = np.random.default_rng(seed).random(shape, dtype="float32")
    if xp is ops:
        ids, real, word_start, noise = map(
            ops.convert_to_tensor, (ids, real, word_start, noise)
        )
    return mask_tokens(
        xp,
        ids,
        real,
        noise,
        options=options,
        mask_token_id=MASK,
        excluded_ids=EXCLUDED,
        word_start=word_start,
    )


def chosen_positions(result):
    for positions, weights in zip(
        result["mask_positions"], result["mask_weights"]
    ):
        yield positions[weights > 0].tolist()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_rules_of_every_option(options):
    ids, real, word_start = rows()
    result = mask(options, ids, real, word_start)
    slots = 10 if options.windows else int((options.mask_rate + 0.005) * 64)
    assert result["mask_positions"].shape == (len(ids), slots)
    assert {name: str(value.dtype) for name, value in result.items()} == {
        "mask_positions": "int32",
        "mask_ids": "int32",
        "mask_weights": "float32",
        "masked_token_ids": "int32",
    }
    unused = result["mask_weights"] == 0
    assert not result["mask_positions"][unused].any()
    assert not result["mask_ids"][unused].any()
    changed = result["masked_token_ids"] != ids
    assert (result["masked_token_ids"][changed] == MASK).all()
    for row, positions in enumerate(chosen_positions(result)):
        assert all(real[row, p] for p in positions)
        assert not set(ids[row, positions]) & set(EXCLUDED)
        used = result["mask_ids"][row, : len(positions)]
        np.testing.assert_array_equal(used, ids[row, positions])
        assert set(np.flatnonzero(changed[row])) <= set(positions)


@pytest.mark.parametrize("mask_rate", [0.05, 0.15, 0.5, 0.9])
def test_default_gives_exactly_k_distinct_positions(mask_rate):
    options = MaskingOptions(mask_rate=mask_rate)
    ids, real, word_start = rows()
    result = mask(options, ids, real, word_start)
    for row, positions in enumerate(chosen_positions(result)):
        candidates = np.sum(real[row] & ~np.isin(ids[row], EXCLUDED))
        # The reference rounds float32, half to even.
        wanted = np.round(np.float32(real[row].sum()) * np.float32(mask_rate))
        wanted = max(1, min(int((mask_rate + 0.005) * 64), int(wanted)))
        assert len(positions) == min(wanted, candidates)
        assert len(set(positions)) == len(positions)


def test_rows_without_candidates_have_weight_zero():
    ids = np.array([[CLS, SEP, PAD, PAD, PAD, PAD, PAD, PAD]] * 2, "int32")
    for options in OPTIONS:
        for real in (ids != PAD, np.zeros_like(ids, bool)):
            result = mask(options, ids, real, np.ones_like(real))
            assert not result["mask_weights"].any()
            np.testing.assert_array_equal(result["masked_token_ids"], ids)


def test_few_candidates_are_all_chosen():
    ids = np.array([[CLS, 9, SEP, SEP, SEP, SEP, SEP, 8]], "int32")
    options = MaskingOptions(mask_rate=0.5)
    result = mask(options, ids, ids > 0, ids > 0)
    assert sorted(next(chosen_positions(result))) == [1, 7]


@pytest.mark.parametrize("options", OPTIONS[:3], ids=str)
def test_all_candidates_are_equally_likely(options):
    length = 40
    ids = np.full((1, length), 9, "int32")
    ids[0, [0, 20]] = CLS, SEP
    ids = np.repeat(ids, 6000, axis=0)
    result = mask(options, ids, ids > 0, ids > 0, seed=3)
    positions = [p for row in chosen_positions(result) for p in row]
    counts = np.bincount(positions, minlength=length)
    assert counts[0] == counts[20] == 0
    candidates = np.delete(counts, [0, 20])
    expected = candidates.mean()
    chi_square = ((candidates - expected) ** 2 / expected).sum()
    assert chi_square < 60  # 37 degrees of freedom, p = 0.01
    # Not by the sample's order either: the last position as often as the rest.
    assert abs(counts[-1] / expected - 1) < 0.1


@pytest.mark.parametrize("keep_rate", [0.0, 0.15, 0.5])
def test_share_of_kept_tokens(keep_rate):
    ids, real, word_start = rows(2000)
    for options in (
        MaskingOptions(keep_rate=keep_rate),
        MaskingOptions(keep_rate=keep_rate, whole_words=True),
    ):
        result = mask(options, ids, real, word_start)
        chosen = result["mask_weights"].sum()
        replaced = (result["masked_token_ids"] != ids).sum()
        assert abs(1 - replaced / chosen - keep_rate) < 0.015


def test_with_replacement_samples_like_the_reference():
    ids, real, word_start = rows(3000, length=128)
    full = real.all(axis=1)
    options = MaskingOptions(with_replacement=True, keep_rate=0.0)
    result = mask(options, ids[full], real[full], word_start[full])
    sampled = list(chosen_positions(result))
    assert {len(positions) for positions in sampled} == {19}
    # n samples of m candidates: m * (1 - (1 - 1/m)**n) distinct ones.
    candidates = 125
    expected = candidates * (1 - (1 - 1 / candidates) ** 19)
    distinct = np.mean([len(set(positions)) for positions in sampled])
    assert abs(distinct - expected) < 0.1
    # A position is masked if any of its samples says so.
    for row, positions in enumerate(sampled):
        masked = np.flatnonzero(result["masked_token_ids"][row] == MASK)
        assert set(masked) == set(positions)


def microsofts(ids, real, mask_rate, noise):
    """Positions of a row as NGramMaskGenerator chooses them, max_gram 1; its
    random integers are made of `noise`."""
    special = {PAD, UNK, CLS, SEP, MASK}
    indices = [i for i in np.flatnonzero(real) if ids[i] not in special]
    cap = int(np.ceil(len(ids) * mask_rate / 10) * 10)
    wanted = min(cap, max(1, round(int(real.sum()) * mask_rate)))
    size, offset, chosen = int(1 / mask_rate), 0, []
    for number in noise:
        window = indices[offset : offset + size]
        if window:
            chosen.append(window[int(number * np.float32(len(window)))])
        offset += size
    return chosen[:wanted]


@pytest.mark.parametrize("mask_rate", [0.15, 0.25, 0.4])
def test_windows_are_those_of_deberta(mask_rate):
    options = MaskingOptions(mask_rate, keep_rate=0.0, windows=True)
    ids, real, word_start = rows(300, length=128)
    noise = np.random.default_rng(0).random((2, *ids.shape), dtype="float32")
    result = mask_tokens(
        np,
        ids,
        real,
        noise,
        options=options,
        mask_token_id=MASK,
        excluded_ids=options.excluded_ids(EXCLUDED, UNK),
    )
    for row, positions in enumerate(chosen_positions(result)):
        expected = microsofts(ids[row], real[row], mask_rate, noise[0, row])
        assert positions == expected
        masked = np.flatnonzero(result["masked_token_ids"][row] == MASK)
        assert masked.tolist() == expected


def test_windows_never_reach_the_end_of_a_long_row():
    # As was measured of the reference: 77 masks, none past 462; 19, past 114.
    options = MaskingOptions(windows=True)
    for length, count, last in ((512, 77, 462), (128, 19, 114)):
        ids = np.full((1000, length), 9, "int32")
        ids[:, [0, -1]] = CLS, SEP
        result = mask(options, ids, ids > 0, ids > 0)
        assert result["mask_weights"].sum(1).tolist() == [count] * 1000
        assert result["mask_positions"].max() == last


def units(ids, real, word_start, row):
    """Position to the positions of its word, of candidates only."""
    words, word = {}, []
    for p in range(len(ids[row])):
        if not real[row, p] or ids[row, p] in EXCLUDED:
            word = []
            continue
        if word_start[row, p]:
            word = []
        word.append(p)
        words[p] = word
    return words


@pytest.mark.parametrize("max_ngram", [1, 3])
def test_whole_words_are_never_cut(max_ngram):
    options = MaskingOptions(whole_words=True, max_ngram=max_ngram)
    ids, real, word_start = rows()
    result = mask(options, ids, real, word_start)
    for row, positions in enumerate(chosen_positions(result)):
        words = units(ids, real, word_start, row)
        for p in positions:
            assert set(words[p]) <= set(positions)
        assert positions
        assert len(set(positions)) == len(positions)
    budget = np.clip(np.round(real.sum(1) * 0.15), 1, 9)
    # Units of 1.4 tokens: between half a token short and a token over.
    assert abs((result["mask_weights"].sum(1) - budget).mean()) < 1


def test_a_word_that_is_too_long_is_never_chosen():
    ids = np.array([[CLS, *[9] * 30, SEP]], "int32")
    word_start = np.zeros_like(ids, bool)
    word_start[0, [0, 1, 30, 31]] = True
    options = MaskingOptions(whole_words=True)
    for seed in range(20):
        result = mask(options, ids, ids > 0, word_start, seed)
        assert next(chosen_positions(result)) == [30]


def test_ngram_lengths_follow_the_clipped_geometric_distribution():
    # One token to choose and three slots: each row has exactly one n-gram.
    length = 400
    ids = np.full((3000, length), 9, "int32")
    options = MaskingOptions(mask_rate=0.003, max_ngram=3)
    assert options.num_slots(length) == 3
    result = mask(options, ids, ids > 0, ids > 0)
    sizes = collections.Counter()
    for positions in chosen_positions(result):
        first = min(positions)
        assert sorted(positions) == [*range(first, first + len(positions))]
        sizes[len(positions)] += 1
    expected = {1: 0.2 * 3000, 2: 0.8 * 0.2 * 3000, 3: 0.8 * 0.8 * 3000}
    assert set(sizes) == set(expected)
    chi_square = sum((sizes[n] - e) ** 2 / e for n, e in expected.items())
    assert chi_square < 9.2  # 2 degrees of freedom, p = 0.01


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_keras_ops_and_tensorflow_give_the_same(options):
    arguments = rows(50)
    expected = mask(options, *arguments)
    on_device = mask(options, *arguments, xp=ops)
    for name, value in expected.items():
        theirs = keras.ops.convert_to_numpy(on_device[name])
        assert theirs.dtype == value.dtype, name
        np.testing.assert_array_equal(theirs, value)
    tf = pytest.importorskip("tensorflow")
    in_graph = tf.function(
        lambda *args: mask(options, *args, xp=tf.experimental.numpy)
    )(*arguments)
    for name, value in expected.items():
        assert in_graph[name].dtype.as_numpy_dtype == value.dtype, name
        np.testing.assert_array_equal(in_graph[name], value)


def test_the_same_noise_gives_the_same_masks():
    arguments = rows(20)
    first, again, other = (
        mask(OPTIONS[0], *arguments, seed=seed) for seed in (1, 1, 2)
    )
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    assert (first["mask_positions"] != other["mask_positions"]).any()


@pytest.mark.parametrize(
    "arguments",
    [
        {"mask_rate": 0},
        {"mask_rate": 1},
        {"mask_rate": 1.5},
        {"mask_rate": "0.15"},
        {"mask_rate": float("nan")},
        {"keep_rate": 1},
        {"keep_rate": -0.1},
        {"max_ngram": 0},
        {"max_ngram": 1.5},
    ],
)
def test_bad_values_are_named(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        MaskingOptions(**arguments)


def test_with_replacement_goes_with_single_tokens():
    with pytest.raises(ValueError, match="with_replacement"):
        MaskingOptions(with_replacement=True, whole_words=True)


@pytest.mark.parametrize("other", ["whole_words", "with_replacement"])
def test_windows_go_with_single_tokens(other):
    with pytest.raises(ValueError, match="windows.*cannot be combined"):
        MaskingOptions(windows=True, **{other: True})
