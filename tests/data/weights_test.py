"""Several corpora, mixed by weight."""

import itertools

import numpy as np
import pytest

from keras_rtd.data import corpora
from keras_rtd.data import document_order
from keras_rtd.data import prepare
from keras_rtd.data import prepare_corpus
from keras_rtd.data import pretraining_dataset
from keras_rtd.data import resume_at

pytest.importorskip("tensorflow_text")

# Words of five characters.
FIRST = 1000
SIZES = {"wiki": 3000, "books": 1000, "code": 3000}
WEIGHTS = {"wiki": 2, "books": 5, "code": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Words of each corpus are its own: w1000.., w4000.., w5000.."""
    folder = tmp_path_factory.mktemp("weights")
    first = FIRST
    for name, size in SIZES.items():
        length = {"wiki": 10, "books": 50, "code": 29}[name]
        words = [f"w{first + i}" for i in range(size)]
        documents = [
            " ".join(words[i : i + length]) for i in range(0, size, length)
        ]
        (folder / name).mkdir()
        (folder / name / "a.txt").write_text("\n\n".join(documents))
        first += size
    return folder


def specs(folder):
    return [f"{n}={folder}/{n}/*.txt:{w}" for n, w in WEIGHTS.items()]


def read(data, tokenizer=None, count=None, **changes):
    options = {
        "sequence_length": 32,
        "batch_size": 16,
        "segments": "single",
        "packing": True,
        "validation_fraction": 0.1,
        **changes,
    }
    if not isinstance(data, (list, dict)):
        options.pop("validation_fraction")
    dataset = pretraining_dataset(data, tokenizer, **options)
    return [
        {name: np.asarray(value) for name, value in batch.items()}
        for batch in itertools.islice(dataset, count)
    ]


def shares(batches):
    """Share of the tokens of each corpus."""
    ids = np.concatenate([b["token_ids"].ravel() for b in batches])
    ids = ids[ids >= 5] - 5 - FIRST
    ends = np.cumsum([*SIZES.values()])
    counts = np.bincount(np.searchsorted(ends, ids, "right"), minlength=3)
    return counts / counts.sum()


def same(first, second):
    assert len(first) == len(second) > 0
    for one, other in zip(first, second):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.fixture(scope="module")
def prepared(folder, tokenizer, tmp_path_factory):
    output = tmp_path_factory.mktemp("prepared")
    prepare_corpus(
        specs(folder),
        output,
        tokenizer,
        validation_fraction=0.1,
        shard_tokens=700,
    )
    return output


@pytest.mark.parametrize("kind", ["text", "prepared"])
def test_tokens_are_as_the_weights(folder, prepared, tokenizer, kind):
    data = specs(folder) if kind == "text" else str(prepared)
    wanted = np.array([*WEIGHTS.values()]) / 10
    batches = read(data, tokenizer, 80)
    np.testing.assert_allclose(shares(batches), wanted, atol=0.03)
    # From the beginning, and for each worker.
    np.testing.assert_allclose(shares(batches[:20]), wanted, atol=0.08)
    for worker in range(2):
        part = read(data, tokenizer, 40, shard=(worker, 2))
        np.testing.assert_allclose(shares(part), wanted, atol=0.05)
    # The same again, and from a step on.
    same(read(data, tokenizer, 3, start_step=40), batches[40:43])
    other = read(data, tokenizer, 1, seed=1)
    assert (other[0]["token_ids"] != batches[0]["token_ids"]).any()


def test_resuming(folder, tokenizer):
    whole = pretraining_dataset(
        specs(folder), tokenizer, sequence_length=32, batch_size=4
    )
    late = next(iter(resume_at(whole, 30)))
    expected = next(iter(whole.skip(30)))
    for name, value in expected.items():
        np.testing.assert_array_equal(value, late[name])


@pytest.mark.parametrize("kind", ["text", "prepared"])
def test_one_pass_has_all_of_each(folder, prepared, tokenizer, kind):
    data = specs(folder) if kind == "text" else str(prepared)
    words = []
    for split in ("train", "validation"):
        batches = read(data, tokenizer, split=split, repeat=False)
        assert (shares(batches) > 0).all()
        ids = np.concatenate([b["token_ids"].ravel() for b in batches])
        words += (ids[ids >= 5] - 5 - FIRST).tolist()
    assert sorted(words) == [*range(sum(SIZES.values()))]


def test_workers_of_prepared_corpora_share_each_batch(prepared):
    whole = read(str(prepared), None, 3, batch_size=8)
    for worker in range(2):
        part = read(str(prepared), None, 3, batch_size=4, shard=(worker, 2))
        same(part, [{k: v[worker::2] for k, v in b.items()} for b in whole])


def test_prepared_directories_with_weights(folder, tokenizer, tmp_path):
    data = {}
    for name, weight in WEIGHTS.items():
        prepare_corpus(folder / name, tmp_path / name, tokenizer)
        data[name] = (str(tmp_path / name), weight)
    batches = read(data, tokenizer, 40)
    wanted = np.array([*WEIGHTS.values()]) / 10
    np.testing.assert_allclose(shares(batches), wanted, atol=0.04)
    mixed = [f"a={tmp_path / 'wiki'}:1", f"b={folder / 'books'}:1"]
    with pytest.raises(ValueError, match="is prepared data"):
        read(mixed, tokenizer)


def test_python_records_with_weights(tokenizer, monkeypatch):
    monkeypatch.setattr(document_order, "_TURN", 1 << 10)
    data = {
        "many": (lambda: (f"w{i} w{i + 1}" for i in range(1000, 4000, 2)), 1),
        "few": (lambda: ["w5000 w5001", "w5002 w5003", "w5004 w5005"], 3),
    }
    batches = read(data, tokenizer, 60)
    np.testing.assert_allclose(shares(batches), [0.25, 0, 0.75], atol=0.02)


def test_specs():
    def parsed(*data):
        return [tuple(corpus) for corpus in corpora.parse(list(data))]

    assert parsed("wiki=a/*.txt:0.7", "b=gs://x/k=1/y:3/*:1e-1") == [
        ("wiki", 0.7, "a/*.txt"),
        ("b", 0.1, "gs://x/k=1/y:3/*"),
    ]
    for plain in ("lang=en/a.txt", "gs://b/date=1:2/a", "a:7", "x=a.txt:no"):
        assert parsed(plain) == [(None, 1.0, [plain])]
    assert corpora.parse("a=b:1") == [corpora.Corpus("a", 1.0, "b")]
    for data, message in (
        (["a=x:1", "y"], "'y' has none"),
        (["a=x:1", "a=y:1"], "Two corpora have the name 'a'"),
        (["a=x:0"], "must be a number above 0"),
        (["a=x:-1"], "must be a number above 0"),
        (["a=x:nan"], "must be a number above 0"),
        ({"a": "x"}, r"must be a pair \(data, weight\)"),
    ):
        with pytest.raises(ValueError, match=message):
            corpora.parse(data)
    with pytest.raises(ValueError, match="No file.*NAME=PATH:WEIGHT"):
        corpora.resolve("wiki=nowhere.txt")


def test_a_file_of_such_a_name_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b:1").write_text("text")
    assert corpora.resolve("a=b:1")[0].data == ["a=b:1"]


def test_replacements_are_refused(prepared, tmp_path):
    with pytest.raises(ValueError, match="of one corpus"):
        read(str(prepared), replacements=tmp_path)


def test_the_command(folder, tokenizer, tmp_path, capsys):
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text("\n".join(tokenizer.get_vocabulary()))
    command = [f"--output={tmp_path / 'out'}", f"--vocabulary={vocabulary}"]
    command += ["--drop_duplicates", "--input", *specs(folder)]
    assert prepare.main(command) == 0
    assert "left out: 0 duplicate documents" in capsys.readouterr().out
    other = [*specs(folder)[:2], f"code={folder}/code:7"]
    assert prepare.main([*command[:4], *other]) == 2
    assert "corpora was" in capsys.readouterr().err
