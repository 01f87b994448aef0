import numpy as np
import pytest

from keras_rtd.data import packing
from keras_rtd.data import pretraining_dataset
from keras_rtd.data import storage

CLS, SEP, PAD = 2, 3, 0
IDS = {"cls_token_id": CLS, "sep_token_id": SEP, "pad_token_id": PAD}


def rows(documents, length, xp=np):
    """Documents, each a list of ids, as rows: (token ids, document ids)."""
    tokens = np.concatenate(documents).astype("int32")
    sizes = np.array([len(d) for d in documents], np.int64)
    layout = packing.DocumentPacking(xp, xp.array(sizes), length)
    index, kind, numbers = layout.rows(xp.arange(layout.num_rows))
    found = xp.take(xp.array(tokens), index)
    ids = packing.fill(xp, found, kind, **IDS)
    return np.asarray(ids), np.asarray(numbers)


def test_rows_by_hand():
    ids, numbers = rows([[11, 12], [21], [31, 32, 33, 34, 35, 36, 37]], 9)
    # Seven places of CLS 11 12 SEP CLS 21 SEP CLS 31 ... 37 SEP a row.
    assert ids.tolist() == [
        [CLS, 11, 12, SEP, CLS, 21, SEP, PAD, PAD],
        [CLS, 31, 32, 33, 34, 35, 36, SEP, PAD],
        [CLS, 37, SEP, PAD, PAD, PAD, PAD, PAD, PAD],
    ]
    assert numbers.tolist() == [
        [1, 1, 1, 1, 2, 2, 2, 0, 0],
        [1, 1, 1, 1, 1, 1, 1, 1, 0],
        [1, 1, 1, 0, 0, 0, 0, 0, 0],
    ]


def test_cuts_leave_no_empty_parts():
    # The first row would end with a [CLS], and the second begin with a [SEP].
    ids, numbers = rows([[11, 12, 13, 14], [21, 22, 23, 24, 25, 26]], 9)
    assert ids.tolist() == [
        [CLS, 11, 12, 13, 14, SEP, PAD, PAD, PAD],
        [CLS, 21, 22, 23, 24, 25, 26, SEP, PAD],
    ]
    assert numbers.max(axis=1).tolist() == [1, 1]
    ids, _ = rows([[11, 12, 13, 14, 15, 16], [21, 22]], 9)
    assert ids.tolist() == [
        [CLS, 11, 12, 13, 14, 15, 16, SEP, PAD],
        [CLS, 21, 22, SEP, PAD, PAD, PAD, PAD, PAD],
    ]


def many(seed, most=60, count=300):
    """Documents in which no token occurs twice."""
    sizes = np.random.default_rng(seed).integers(1, most, count)
    return np.split(np.arange(10, 10 + sizes.sum()), np.cumsum(sizes)[:-1])


@pytest.mark.parametrize("length", [8, 16, 33])
def test_every_token_once_in_parts_of_one_document(length):
    documents = many(length)
    owner = {t: n for n, d in enumerate(documents) for t in d.tolist()}
    ids, numbers = rows(documents, length)
    assert sorted(ids[ids >= 10]) == sorted(owner)
    for row, groups in zip(ids, numbers):
        real = groups > 0
        assert not row[~real].any() and real[: real.sum()].all()
        assert groups[real].tolist() == sorted(groups[real])
        assert set(groups[real]) == set(range(1, groups.max() + 1))
        for number in range(1, groups.max() + 1):
            part = row[groups == number].tolist()
            assert part[0] == CLS and part[-1] == SEP and len(part) > 2
            text = part[1:-1]
            assert text == list(range(text[0], text[0] + len(text)))
            assert len({owner[t] for t in text}) == 1


def test_hardly_a_place_is_padding():
    ids, numbers = rows(many(0), 128)
    whole = numbers[:-1]
    # Counted: a place is lost where a row begins or ends between documents,
    # two where it begins or ends with what a cut leaves over.
    assert (whole == 0).sum(axis=1).max() <= 4
    assert (whole > 0).mean() > 0.995
    alone = [len(part) for d in many(0) for part in np.split(d, [126])]
    needed = sum(n > 0 for n in alone)
    # The same text in rows of one document each.
    assert sum(alone) / (needed * 126) < 0.3 < 0.9 * (ids >= 10).mean()


def test_tensorflow_gives_the_same():
    tnp = pytest.importorskip("tensorflow").experimental.numpy
    for one, other in zip(rows(many(1), 24), rows(many(1), 24, tnp)):
        np.testing.assert_array_equal(one, other)


def read(source, tokenizer, split="train", **options):
    """Batches of one pass as NumPy arrays."""
    options.setdefault("batch_size", 4)
    batches = pretraining_dataset(
        source,
        tokenizer,
        sequence_length=32,
        split=split,
        repeat=False,
        packing=True,
        **options,
    )
    return [
        {name: np.asarray(value) for name, value in batch.items()}
        for batch in batches
    ]


def parts_of(batches):
    """The texts that stand together, as tuples of ids."""
    parts = []
    for batch in batches:
        assert batch["document_ids"].dtype == np.int32
        assert not batch["segment_ids"].any()
        np.testing.assert_array_equal(
            batch["padding_mask"], batch["document_ids"] > 0
        )
        for ids, numbers in zip(batch["token_ids"], batch["document_ids"]):
            for number in range(1, numbers.max() + 1):
                part = ids[numbers == number]
                assert part[0] == CLS and part[-1] == SEP
                parts.append(tuple(part[1:-1].tolist()))
    return parts


@pytest.mark.parametrize("prepared_data", [True, False])
def test_both_kinds_of_data_have_every_token_once(
    corpus, prepared, tokenizer, prepared_data
):
    source, options = prepared, {}
    if not prepared_data:
        pytest.importorskip("tensorflow_text")
        source = corpus.directory
        options = {"validation_fraction": 0.1}
    documents = [
        tuple(int(w[1:]) + 5 for line in text for w in line)
        for text in corpus.texts
    ]
    owner = {t: n for n, d in enumerate(documents) for t in d}
    seen, sharing = [], 0
    for split in storage.SPLITS:
        batches = read(source, tokenizer, split, **options)
        for part in parts_of(batches):
            seen += part
            document = documents[owner[part[0]]]
            first = document.index(part[0])
            assert document[first : first + len(part)] == part
        sharing += sum((b["document_ids"] > 1).any(1).sum() for b in batches)
    assert sorted(seen) == sorted(owner)
    assert sharing > 20


def test_rows_may_cross_shards(prepared, tokenizer):
    from keras_rtd.data.prepared import PreparedCorpus

    shards = PreparedCorpus(prepared).shards("train")
    assert len(shards) > 2
    rows_read = sum(
        int(b["padding_mask"].any(1).sum()) for b in read(prepared, tokenizer)
    )
    tokens = sum(len(s["tokens"]) for s in shards)
    documents = sum(len(s["documents"]) for s in shards)
    assert rows_read == -(-(tokens + 2 * documents - 1) // 30)


def test_masks_are_on_text_and_workers_share_rows(prepared, tokenizer):
    whole = read(prepared, tokenizer, batch_size=6)
    for batch in whole:
        slots = batch["mask_weights"] > 0
        assert (batch["mask_ids"][slots] >= 5).all()
    for worker in range(2):
        part = read(prepared, tokenizer, batch_size=3, shard=(worker, 2))
        for one, other in zip(whole, part, strict=True):
            for name, value in one.items():
                np.testing.assert_array_equal(value[worker::2], other[name])
