"""Datasets of other libraries and functions read as files are."""

import itertools
import json

import numpy as np
import pytest

from keras_rtd.data import corpora
from keras_rtd.data import prepare_corpus
from keras_rtd.data import pretraining_dataset
from keras_rtd.data import resume_at
from keras_rtd.data import storage
from keras_rtd.data.corpus import read_blocks
from keras_rtd.data.readers import records
from keras_rtd.data.readers import text as text_reader

pytest.importorskip("tensorflow_text")


@pytest.fixture(scope="module")
def texts(corpus):
    return ["\n".join(map(" ".join, text)) for text in corpus.texts]


def huggingface(texts):
    datasets = pytest.importorskip("datasets")
    columns = {"id": [*range(len(texts))], "text": texts}
    return datasets.Dataset.from_dict(columns)


def tensors(texts):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices({"text": texts, "id": texts})


class Again:
    """Gives a new iterator each time."""

    def __init__(self, texts):
        self.texts = texts

    def __iter__(self):
        return iter(self.texts)


SOURCES = {
    "datasets.Dataset": huggingface,
    "IterableDataset": lambda texts: huggingface(texts).to_iterable_dataset(),
    "tf.data": tensors,
    "tf.data, batched": lambda texts: tensors(texts).batch(7),
    "strings": lambda texts: tensors(texts).map(lambda item: item["text"]),
    "function": lambda texts: lambda: iter(texts),
    "generator function": lambda texts: lambda: ({"text": t} for t in texts),
    "iterable": Again,
}
OPTIONS = {
    "sequence_length": 32,
    "batch_size": 8,
    "seed": 3,
    "validation_fraction": 0.1,
    "shuffle_buffer": 64,
}


@pytest.fixture(scope="module")
def file(texts, tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "a.jsonl"
    lines = [json.dumps({"text": text}) + "\n" for text in texts]
    path.write_text("".join(lines))
    return path


def take(dataset, count=None):
    return [
        {name: value.numpy() for name, value in batch.items()}
        for batch in itertools.islice(dataset, count)
    ]


def same(first, second):
    assert len(first) == len(second) > 0
    for one, other in zip(first, second):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("kind", SOURCES)
def test_they_are_read_as_a_file_is(file, texts, kind, monkeypatch):
    monkeypatch.setattr(records, "_BLOCK_CHARACTERS", 1 << 12)
    monkeypatch.setattr(text_reader, "_BLOCK_BYTES", 1)
    (corpus,) = corpora.resolve(SOURCES[kind](texts))
    blocks = [*read_blocks(corpus.data)]
    assert [d for b in blocks for d in b.documents] == texts
    hashes = np.concatenate([b.hashes for b in blocks])
    of_file = np.concatenate([b.hashes for b in read_blocks([str(file)])])
    np.testing.assert_array_equal(hashes, of_file)
    assert len(blocks) > 5
    rest = [*read_blocks(corpus.data, start=(0, 3))]
    assert [b.documents for b in rest] == [b.documents for b in blocks[3:]]


CASES = {
    "train": {"count": 25},
    "validation": {"split": "validation"},
    "late": {"count": 2, "start_step": 20},
    "shard": {"count": 4, "shard": (1, 2)},
}


def read(data, tokenizer, count=None, **changes):
    options = {**OPTIONS, **changes}
    return take(pretraining_dataset(data, tokenizer, **options), count)


@pytest.fixture(scope="module")
def of_file(file, tokenizer):
    return {n: read(file, tokenizer, **case) for n, case in CASES.items()}


@pytest.mark.parametrize("kind", ["datasets.Dataset", "strings", "function"])
def test_their_batches_are_those_of_a_file(of_file, texts, tokenizer, kind):
    """Order, masks, held-out split, resume and shards."""
    data = SOURCES[kind](texts)
    for name, case in CASES.items():
        same(read(data, tokenizer, **case), of_file[name])
    whole = pretraining_dataset(data, tokenizer, **OPTIONS)
    same(take(resume_at(whole, 22), 2), of_file["train"][22:24])


@pytest.mark.parametrize("kind", SOURCES)
def test_preparing_them(file, texts, tokenizer, tmp_path, kind):
    options = {"validation_fraction": 0.1, "shard_tokens": 1000}
    theirs = prepare_corpus(file, tmp_path / "file", tokenizer, **options)
    data = SOURCES[kind](texts)
    ours = prepare_corpus(data, tmp_path / "data", tokenizer, **options)
    assert ours["shards"] == theirs["shards"]
    again = prepare_corpus(data, tmp_path / "data", tokenizer, **options)
    assert again == ours
    other = SOURCES[kind](texts[1:])
    with pytest.raises(ValueError, match="other input files"):
        prepare_corpus(other, tmp_path / "data", tokenizer, **options)


def test_an_endless_stream_is_not_read_through(texts, tokenizer):
    read = itertools.count()

    def endless():
        for number, text in enumerate(itertools.cycle(texts)):
            next(read)
            yield f"{text}\n{number}" if number >= len(texts) else text

    data = pretraining_dataset(endless, tokenizer, **OPTIONS)
    assert next(read) < 5000
    same(take(data, 3), take(data, 3))


def generator():
    yield "text"


def test_what_is_read_only_once_is_refused_at_once(tokenizer):
    endless = (f"document {i}" for i in itertools.count())
    for data in (endless, iter(["a"]), map(str, [1]), generator()):
        with pytest.raises(ValueError, match="only once.*a function that"):
            pretraining_dataset(data, tokenizer)
        with pytest.raises(ValueError, match="only once"):
            prepare_corpus(data, "nowhere", tokenizer)
    assert next(endless) == "document 0"


def refused(data, tokenizer, message):
    with pytest.raises(ValueError, match=message) as error:
        dataset = pretraining_dataset(data, tokenizer, **OPTIONS)
        list(itertools.islice(dataset, 50))
    assert "\n" not in str(error.value)


def test_other_objects_are_refused_with_the_reason(texts, tokenizer):
    import tensorflow as tf

    datasets = pytest.importorskip("datasets")
    whole = huggingface(texts)
    refused(datasets.DatasetDict(train=whole), tokenizer, r"data\['train'\]")
    refused(
        whole.rename_column("text", "body"), tokenizer, "no column 'text'.*body"
    )
    refused(tensors(texts).repeat(), tokenizer, r"without `\.repeat\(\)`")
    refused(tf.data.Dataset.range(3), tokenizer, "must be of strings")
    refused(3, tokenizer, "holds no text")
    refused(lambda: "text", tokenizer, "must return an iterator")
    refused(lambda: [1], tokenizer, "record 1: .*not an object.* type int")
    refused(lambda: [None], tokenizer, "record 1: the text is null")
    refused(lambda: iter(()), tokenizer, "corpus is empty")
    once = iter(texts)
    refused(lambda: once, tokenizer, "other documents than the first time")
    shuffled = tensors(texts).shuffle(90)
    refused(shuffled, tokenizer, "reshuffle_each_iteration=False")


def test_bad_records_are_skipped_and_counted(texts, tokenizer, tmp_path):
    data = [*texts[:40], None, 3, {"other": 1}, *texts[40:]]

    with pytest.raises(ValueError, match="record 41: .*--skip_bad"):
        read(lambda: data, tokenizer)
    wanted = read(lambda: texts, tokenizer, 3)
    same(read(lambda: data, tokenizer, 3, skip_bad=True), wanted)
    manifest = prepare_corpus(
        lambda: data, tmp_path, tokenizer, skip_bad=True, shard_tokens=1000
    )
    assert manifest["left_out"]["bad_records"] == 3
    counts = manifest["counts"]
    assert sum(c["documents"] for c in counts.values()) == len(texts)


def test_duplicates_are_dropped_and_counted(tmp_path, tokenizer, monkeypatch):
    from keras_rtd.data.readers import text

    monkeypatch.setattr(text, "_BLOCK_BYTES", 64)
    plain = [f"w{i} w{i + 1}\nw{i + 2}" for i in range(60)]
    again = [plain[5].upper(), plain[7].replace(" ", "  \t"), *plain[9:12]]
    # One letter, or a letter and a mark.
    plain += ["w1 caf\u00e9", "w4"]
    again += ["w1 cafe\u0301", "w4", "W4\n"]
    (tmp_path / "a.txt").write_text("\n\n".join(plain + again))
    (tmp_path / "b.txt").write_text("\n\n".join(plain))
    options = {"shard_tokens": 20, "validation_fraction": 0.2}
    whole = prepare_corpus(
        tmp_path / "a.txt",
        tmp_path / "whole",
        tokenizer,
        drop_duplicates=True,
        **options,
    )
    expected = prepare_corpus(
        tmp_path / "b.txt", tmp_path / "b", tokenizer, **options
    )
    assert whole["left_out"]["duplicate_documents"] == len(again)
    for split, counts in expected["counts"].items():
        for name in ("documents", "tokens", "unknown_tokens"):
            assert whole["counts"][split][name] == counts[name]
    # Interrupted, it remembers what there was before.
    save = storage.save_json
    for number in (1, 3, 6):
        saves = itertools.count()

        def stop(*arguments, number=number, saves=saves):
            if next(saves) == number:
                raise KeyboardInterrupt
            save(*arguments)

        output = tmp_path / str(number)
        arguments = (tmp_path / "a.txt", output, tokenizer)
        with monkeypatch.context() as patch:
            patch.setattr(storage, "save_json", stop)
            with pytest.raises(KeyboardInterrupt):
                prepare_corpus(*arguments, drop_duplicates=True, **options)
        assert (
            prepare_corpus(*arguments, drop_duplicates=True, **options) == whole
        )


def test_a_cased_tokenizer_tells_case_apart(tmp_path):
    from keras_rtd.tokenizers import ElectraTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    tokenizer = ElectraTokenizer([*special, *letters], lowercase=False)
    (tmp_path / "a.txt").write_text("a b\n\nA b\n\na  b")
    manifest = prepare_corpus(
        tmp_path / "a.txt", tmp_path / "out", tokenizer, drop_duplicates=True
    )
    assert manifest["left_out"]["duplicate_documents"] == 1
