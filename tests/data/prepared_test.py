import json
import shutil

import numpy as np
import pytest

from keras_rtd.data import storage
from keras_rtd.data.dataset import BatchOptions
from keras_rtd.data.prepared import PreparedBatches
from keras_rtd.data.prepared import PreparedCorpus
from keras_rtd.layers.masking import MaskingOptions
from keras_rtd.tokenizers import ElectraTokenizer


def batches(directory, masking=None, **changes):
    options = {
        "sequence_length": 32,
        "batch_size": 4,
        "seed": 7,
        "split": "train",
        "repeat": True,
        "shard": (0, 1),
        "segments": "pair",
        "masking": masking or MaskingOptions(),
    }
    return PreparedBatches(
        PreparedCorpus(directory), BatchOptions(**{**options, **changes})
    )


def words_of(rows, special=5):
    return [int(i) for i in np.ravel(rows) if i >= special]


def same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_manifest_counts(corpus, prepared):
    counts = PreparedCorpus(prepared).manifest["counts"]
    both = {
        kind: sum(counts[split][kind] for split in storage.SPLITS)
        for kind in ("documents", "lines", "tokens")
    }
    assert both == {
        "documents": len(corpus.texts),
        "lines": sum(map(len, corpus.texts)),
        "tokens": sum(len(line) for text in corpus.texts for line in text),
    }
    assert counts["validation"]["documents"] > 2
    assert counts["train"]["shards"] > 2


@pytest.mark.parametrize("segments", ["pair", "single"])
def test_an_epoch_has_every_token_once(corpus, prepared, segments):
    seen = []
    for split in storage.SPLITS:
        reader = batches(prepared, split=split, repeat=False, segments=segments)
        count = 0
        for step in range(reader.num_batches):
            batch = reader.batch(step)
            seen += words_of(batch["token_ids"])
            count += int(batch["padding_mask"].any(axis=1).sum())
        assert count == reader.num_windows
        assert not reader.batch(reader.num_batches)["padding_mask"].any()
    words = [w for text in corpus.texts for line in text for w in line]
    assert sorted(seen) == sorted(int(word[1:]) + 5 for word in words)


def test_rows_are_consecutive_text_with_pairs_at_line_starts(corpus, prepared):
    reader = batches(prepared, repeat=False)
    stream, starts = {}, set()
    for text in corpus.texts:
        ids = [int(word[1:]) + 5 for line in text for word in line]
        stream.update(zip(ids, ids[1:]))
        starts.update(int(line[0][1:]) + 5 for line in text)
    pairs, at_line_start = 0, 0
    for step in range(reader.num_batches):
        batch = reader.batch(step)
        for ids, segment in zip(batch["token_ids"], batch["segment_ids"]):
            text = words_of(ids)
            for left, right in zip(text, text[1:]):
                assert stream[left] == right
            second = words_of(ids[segment == 1])
            pairs += bool(second)
            if set(text[1:]) & starts:
                at_line_start += bool(second) and second[0] in starts
                assert not second or second[0] in starts
    assert at_line_start > 20 and pairs > at_line_start


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_workers_share_an_epoch(prepared, workers):
    whole = batches(prepared, batch_size=30, repeat=False)
    steps = whole.num_batches
    parts = [
        batches(
            prepared,
            batch_size=30 // workers,
            repeat=False,
            shard=(worker, workers),
        )
        for worker in range(workers)
    ]
    for step in range(steps):
        expected = whole.batch(step)
        for worker, part in enumerate(parts):
            assert part.num_batches == steps
            batch = part.batch(step)
            same(
                batch,
                {name: v[worker::workers] for name, v in expected.items()},
            )


def test_devices_of_workers_share_every_step_whatever_their_number(prepared):
    # As `tf.distribute` reads: each device takes its host's next batch. A run
    # may go on with other hosts, because every step holds the same rows.
    whole = batches(prepared, batch_size=12)

    def rows(parts):
        return sorted(tuple(r) for b in parts for r in b["masked_token_ids"])

    for step in range(40):
        expected = rows([whole.batch(step)])
        for workers, devices in ((1, 2), (2, 1), (2, 2), (3, 2), (1, 12)):
            parts = [
                batches(
                    prepared,
                    batch_size=12 // workers // devices,
                    shard=(worker, workers),
                ).batch(step * devices + device)
                for worker in range(workers)
                for device in range(devices)
            ]
            assert rows(parts) == expected


def test_epochs_differ_in_order_and_masks(prepared):
    reader = batches(prepared, batch_size=1)
    epochs = []
    for epoch in range(3):
        first = epoch * reader.num_windows
        rows = [reader.batch(first + i) for i in range(reader.num_windows)]
        epochs.append(rows)
    order = [[words_of(r["token_ids"])[0] for r in rows] for rows in epochs]
    assert len({tuple(sorted(first)) for first in order}) == 1
    assert order[0] != order[1] != order[2]
    by_text = [
        {
            tuple(words_of(r["token_ids"])): tuple(r["mask_positions"][0])
            for r in rows
            if r["padding_mask"].sum() > 20
        }
        for rows in epochs
    ]
    assert by_text[0].keys() == by_text[1].keys()
    changed = [by_text[0][text] != by_text[1][text] for text in by_text[0]]
    assert np.mean(changed) > 0.95


def test_batches_depend_on_seed_and_step_only(prepared):
    first, again = batches(prepared), batches(prepared)
    same(first.batch(1_000_003), again.batch(1_000_003))
    other = batches(prepared, seed=8).batch(5)["token_ids"]
    assert (first.batch(5)["token_ids"] != other).any()


def test_whole_words_use_the_vocabulary(tmp_path, tokenizer):
    from keras_rtd.data import prepare_corpus

    text = " ".join(f"w{i}s w{i + 1}" for i in range(0, 600, 2))
    (tmp_path / "a.txt").write_text(text)
    prepare_corpus(tmp_path / "a.txt", tmp_path / "out", tokenizer)
    reader = batches(tmp_path / "out", MaskingOptions(whole_words=True))
    suffix = tokenizer.vocabulary_size() - 1
    for step in range(20):
        batch = reader.batch(step)
        for ids, positions, weights in zip(
            batch["token_ids"], batch["mask_positions"], batch["mask_weights"]
        ):
            chosen = set(positions[weights > 0])
            for p in chosen:
                if ids[p] == suffix and ids[p - 1] > 5:
                    assert p - 1 in chosen
                if p + 1 < 32 and ids[p + 1] == suffix:
                    assert p + 1 in chosen


def test_a_corpus_smaller_than_a_batch_repeats(tmp_path, tokenizer):
    from keras_rtd.data import prepare_corpus

    (tmp_path / "a.txt").write_text("w1")
    prepare_corpus(tmp_path / "a.txt", tmp_path / "out", tokenizer)
    batch = batches(tmp_path / "out").batch(3)
    assert words_of(batch["token_ids"]) == [6] * 4
    with pytest.raises(ValueError, match="no text for split='validation'"):
        batches(tmp_path / "out", split="validation")


def test_unfinished_data_says_so(tmp_path):
    storage.save_json(tmp_path, storage.PROGRESS, {})
    with pytest.raises(ValueError, match="not finished: run the same"):
        PreparedCorpus(tmp_path)


@pytest.fixture
def copy(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "copy")


@pytest.mark.parametrize("kind", ["tokens", "documents", "line_starts"])
def test_damaged_shards_are_named(copy, kind):
    path = copy / f"train-00001.{kind}.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"{path.name} is damaged.*checksum"):
        PreparedCorpus(copy)
    PreparedCorpus(copy, verify=False)
    path.write_bytes(data[:-1])
    with pytest.raises(ValueError, match=f"{path.name} is damaged.*bytes"):
        PreparedCorpus(copy, verify=False)
    path.unlink()
    with pytest.raises(ValueError, match=f"{path.name} is missing"):
        PreparedCorpus(copy, verify=False)


@pytest.mark.parametrize("packing", [False, True])
def test_a_shard_that_is_cut_while_it_is_read_is_named(copy, packing):
    made = batches(copy, packing=packing)
    made.batch(0)
    for path in copy.glob("train-*.tokens.npy"):
        with open(path, "r+b") as file:
            file.truncate(1000)
    with pytest.raises(ValueError, match="tokens.npy was cut short"):
        for step in range(100):
            made.batch(step)


def test_a_damaged_manifest_is_named(copy):
    (copy / storage.MANIFEST).write_text("{")
    with pytest.raises(ValueError, match="manifest.json is damaged"):
        PreparedCorpus(copy)


def test_ids_outside_the_vocabulary_are_found(copy):
    manifest = storage.load_json(copy, storage.MANIFEST)
    manifest["tokenizer"]["vocabulary_size"] = 100
    (copy / storage.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"tokens\.npy has the id \d+, .*100"):
        PreparedCorpus(copy)


def test_another_format_version_is_refused(copy):
    manifest = storage.load_json(copy, storage.MANIFEST)
    manifest["format_version"] = 99
    storage.save_json(copy, storage.MANIFEST, manifest)
    with pytest.raises(ValueError, match="format version 99"):
        PreparedCorpus(copy)


def test_another_tokenizer_is_refused(prepared, tokenizer):
    PreparedCorpus(prepared, tokenizer)
    other = ElectraTokenizer(tokenizer.get_vocabulary()[:-1])
    with pytest.raises(ValueError, match="another tokenizer") as error:
        PreparedCorpus(prepared, other)
    assert other.fingerprint()[:16] in str(error.value)
    assert tokenizer.fingerprint()[:16] in str(error.value)
