import numpy as np
import pytest

from keras_rtd.data import windows

CLS, SEP, PAD = 2, 3, 0
IDS = {"cls_token_id": CLS, "sep_token_id": SEP, "pad_token_id": PAD}


def cut(lengths, size, noise=None):
    starts, sizes = windows.consecutive_windows(np, np.array(lengths), size)
    if noise is not None:
        starts, sizes = windows.shorten_some(
            np, starts, sizes, noise.random((len(starts), 2), "float32")
        )
    return starts, sizes


def test_consecutive_windows_by_hand():
    starts, sizes = cut([1, 10, 11, 25], 10)
    assert starts.tolist() == [0, 1, 11, 21, 22, 32, 42]
    assert sizes.tolist() == [1, 10, 10, 1, 10, 10, 5]


def test_every_token_is_in_one_window_of_its_document():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 700, 500)
    starts, sizes = cut(lengths, 125, rng)
    seen = np.zeros(lengths.sum(), int)
    document = np.repeat(np.arange(500), lengths)
    for start, size in zip(starts, sizes):
        assert 1 <= size <= 125
        seen[start : start + size] += 1
        assert len(set(document[start : start + size])) == 1
    assert (seen == 1).all()


def test_one_window_in_twenty_is_short():
    rng = np.random.default_rng(0)
    starts, sizes = cut([125 * 40_000], 125, rng)
    short = sizes[sizes < 125]
    # A split at a random place: both parts are uniform over the lengths.
    assert 0.045 < len(short) / len(sizes) < 0.055
    histogram, _ = np.histogram(short, bins=31, range=(1, 125))
    expected = len(short) / 31
    assert ((histogram - expected) ** 2 / expected).sum() < 61


def rows(segments, count=2000, size=13, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, size + 1, count).astype("int32")
    tokens = rng.integers(10, 1000, (count, size)).astype("int32")
    line_start = rng.random((count, size)) < 0.1
    word_start = line_start | (rng.random((count, size)) < 0.5)
    noise = rng.random((count, 2), "float32")
    arguments = (tokens, lengths, line_start, word_start, noise)
    return arguments, windows.assemble(np, *arguments, segments=segments, **IDS)


def test_packed_rows():
    (tokens, lengths, *_), result = rows("single")
    for text, length, ids, segment, real in zip(tokens, lengths, *result):
        expected = [CLS, *text[:length], SEP] if length else []
        pad = 15 - len(expected)
        assert ids.tolist() == expected + [PAD] * pad
        assert real.tolist() == [True] * len(expected) + [False] * pad
        assert not segment.any()


def test_pair_rows():
    arguments, result = rows("pair")
    singles, full = 0, 0
    for text, length, line, word, noise, ids, segment, real in zip(
        *arguments, *result
    ):
        if not length:
            assert not real.any() and not ids.any() and not segment.any()
            continue
        places = range(1, length)
        split = length
        if noise[0] >= 0.1 and length > 1:
            point = int(length * (0.25 + 0.5 * noise[1]))
            preferred = [p for p in places if line[p]] or [
                p for p in places if word[p]
            ]
            split = min(preferred or places, key=lambda p: abs(p - point))
        full += length > 1
        singles += length > 1 and split == length
        expected = [CLS, *text[:split], SEP]
        second = [*text[split:length], SEP] if split < length else []
        used = len(expected) + len(second)
        pad = 16 - used
        assert ids.tolist() == expected + second + [PAD] * pad
        assert segment.tolist() == (
            [0] * len(expected) + [1] * len(second) + [0] * pad
        )
        assert real.tolist() == [True] * used + [False] * pad
    assert 0.08 < singles / full < 0.12


@pytest.mark.parametrize("segments", windows.SEGMENTS)
def test_tensorflow_gives_the_same(segments):
    tf = pytest.importorskip("tensorflow")
    xp = tf.experimental.numpy
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 400, 100)
    starts, sizes = windows.consecutive_windows(np, lengths, 61)
    noise = rng.random((len(starts), 2), "float32")
    expected = windows.shorten_some(np, starts, sizes, noise)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([None, 2], tf.float32),
        ]
    )
    def in_graph(lengths, noise):
        starts, sizes = windows.consecutive_windows(xp, lengths, 61)
        return windows.shorten_some(xp, starts, sizes, noise)

    for ours, theirs in zip(expected, in_graph(lengths, noise)):
        np.testing.assert_array_equal(ours, theirs)

    arguments, expected = rows(segments, count=200)
    assemble = tf.function(
        lambda *args: windows.assemble(xp, *args, segments=segments, **IDS)
    )
    for ours, theirs in zip(expected, assemble(*arguments)):
        assert ours.dtype == theirs.numpy().dtype
        np.testing.assert_array_equal(ours, theirs)


def test_segments_and_packing_are_resolved_once():
    assert windows.resolve_segments("pair") == ("pair", False)
    assert windows.resolve_segments("single", False) == ("single", False)
    # A row that documents share has no pairs.
    assert windows.resolve_segments("pair", True) == ("single", True)
    with pytest.warns(UserWarning, match='is now segments="single"'):
        assert windows.resolve_segments("packed") == ("single", False)
    with pytest.warns(UserWarning, match="is now packing=True"):
        assert windows.resolve_segments("documents") == ("single", True)
    with pytest.raises(ValueError, match="segments='triple'"):
        windows.resolve_segments("triple")
    with pytest.raises(ValueError, match="packing='yes'"):
        windows.resolve_segments("pair", "yes")
