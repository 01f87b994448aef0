"""Replacements sampled beforehand: files, and the batches that read them."""

import numpy as np
import pytest

from keras_rtd.data import pretraining_dataset
from keras_rtd.data import replacements
from keras_rtd.data.dataset import BatchOptions
from keras_rtd.data.prepared import PreparedBatches
from keras_rtd.data.prepared import PreparedCorpus
from keras_rtd.data.replacements import Replacements
from keras_rtd.layers.masking import MaskingOptions

SLOTS = 5


def options(**changes):
    values = {
        "sequence_length": 32,
        "batch_size": 4,
        "seed": 7,
        "split": "train",
        "repeat": True,
        "shard": (0, 1),
        "segments": "pair",
        "masking": MaskingOptions(mask_rate=0.15),
    }
    return BatchOptions(**{**values, **changes})


def ids_of(first, count):
    return np.arange(first * SLOTS, (first + count) * SLOTS) % 8000


def write(folder, corpus, examples=150, sample=ids_of, **settings):
    known = replacements.data_settings(corpus, options())
    replacements.write_replacements(
        folder, {**known, **settings}, examples, SLOTS, 8006, sample
    )
    return Replacements(folder)


@pytest.fixture
def small_files(monkeypatch):
    monkeypatch.setattr(replacements, "FILE_EXAMPLES", 64)


def test_batches_are_those_without_and_their_samples(
    prepared, tmp_path, small_files
):
    corpus = PreparedCorpus(prepared)
    sampled = write(tmp_path, corpus)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "replacements-00000.npy",
        "replacements-00001.npy",
        "replacements-00002.npy",
        "replacements.json",
    ]
    assert np.load(tmp_path / "replacements-00000.npy").dtype == np.uint16
    plain = PreparedBatches(corpus, options())
    cached = PreparedBatches(corpus, options(), sampled)
    for step in (0, 15, 16, 36):
        expected, found = plain.batch(step), cached.batch(step)
        samples = found.pop("sampled_ids")
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)
        np.testing.assert_array_equal(
            samples, ids_of(4 * step, 4).reshape(4, SLOTS)
        )
    # 150 examples are 37 batches and a half: then the first again.
    np.testing.assert_array_equal(
        cached.batch(37)["sampled_ids"][2:], ids_of(0, 2).reshape(2, SLOTS)
    )
    np.testing.assert_array_equal(
        cached.batch(38)["token_ids"][:2], plain.batch(0)["token_ids"][2:]
    )


def test_workers_share_the_examples(prepared, tmp_path, small_files):
    corpus = PreparedCorpus(prepared)
    sampled = write(tmp_path, corpus)
    whole = PreparedBatches(corpus, options(), sampled).batch(17)
    for worker in (0, 1):
        part = PreparedBatches(
            corpus, options(batch_size=2, shard=(worker, 2)), sampled
        ).batch(17)
        np.testing.assert_array_equal(
            part["sampled_ids"], whole["sampled_ids"][worker::2]
        )


def test_an_interrupted_sampling_continues(prepared, tmp_path, small_files):
    corpus = PreparedCorpus(prepared)
    asked = []

    def interrupted(first, count):
        asked.append(first)
        if first == 128 and asked.count(128) == 1:
            raise KeyboardInterrupt
        return ids_of(first, count)

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, corpus, sample=interrupted)
    with pytest.raises(ValueError, match="no finished replacements"):
        Replacements(tmp_path)
    write(tmp_path, corpus, sample=interrupted)
    assert asked == [0, 64, 128, 128]
    write(tmp_path, corpus, sample=interrupted)
    assert asked == [0, 64, 128, 128]
    whole = write(tmp_path / "whole", corpus)
    every = np.arange(150)
    np.testing.assert_array_equal(
        Replacements(tmp_path).rows(every), whole.rows(every)
    )
    with pytest.raises(ValueError, match="replacements of other settings"):
        write(tmp_path, corpus, temperature=2.0)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"seed": 8}, "another seed: 7 there, 8 here. Sample them again"),
        ({"sequence_length": 40}, "another sequence_length: 32 there, 40"),
        ({"segments": "single"}, 'another segments: "pair" there, "single"'),
        ({"packing": True}, 'another segments: "pair" there, "single"'),
        ({"masking": MaskingOptions(mask_rate=0.2)}, "another masking"),
    ],
)
def test_other_settings_are_refused(prepared, tmp_path, change, message):
    corpus = PreparedCorpus(prepared)
    sampled = write(tmp_path, corpus)
    with pytest.raises(ValueError, match=message):
        PreparedBatches(corpus, options(**change), sampled)


def test_another_corpus_is_refused(prepared, tmp_path):
    corpus = PreparedCorpus(prepared)
    sampled = write(tmp_path, corpus)
    entry = corpus.manifest["shards"][0]["files"]["tokens"]
    entry["sha256"] = entry["sha256"][::-1]
    with pytest.raises(ValueError, match="sampled for another corpus"):
        PreparedBatches(corpus, options(), sampled)


def test_damage_is_named(prepared, tmp_path):
    write(tmp_path, PreparedCorpus(prepared))
    path = tmp_path / "replacements-00000.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="checksum.*sample the replacements"):
        Replacements(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="is missing. Sample the replacements"):
        Replacements(tmp_path)


def test_the_dataset_has_them(prepared, corpus, tmp_path):
    sampled = write(tmp_path, PreparedCorpus(prepared))
    arguments = {"sequence_length": 32, "batch_size": 4, "seed": 7}
    dataset = pretraining_dataset(
        prepared, replacements=tmp_path, start_step=3, **arguments
    )
    batch = next(iter(dataset))
    np.testing.assert_array_equal(
        np.asarray(batch["sampled_ids"]), sampled.rows(np.arange(12, 16))
    )
    for data, split in ((prepared, "validation"), (corpus.directory, "train")):
        with pytest.raises(ValueError, match="train split of prepared data"):
            pretraining_dataset(
                data, split=split, replacements=tmp_path, **arguments
            )


@pytest.mark.parametrize("old", ["packed", "documents"])
def test_settings_of_earlier_versions_are_read(prepared, tmp_path, old):
    import json

    corpus = PreparedCorpus(prepared)
    new = {"segments": "single", "packing": old == "documents"}
    write(tmp_path, corpus, **new)
    path = tmp_path / "replacements.json"
    manifest = json.loads(path.read_text())
    del manifest["settings"]["packing"]
    manifest["settings"]["segments"] = old
    path.write_text(json.dumps(manifest))
    PreparedBatches(corpus, options(**new), Replacements(tmp_path))
