"""What a corpus file is, and who reads it."""

import bz2
import gzip
import io
import json
import lzma
import zipfile

import numpy as np
import pytest

from keras_rtd.data import prepare_corpus
from keras_rtd.data import pretraining_dataset
from keras_rtd.data import readers
from keras_rtd.data.corpus import read_blocks
from keras_rtd.data.corpus import read_documents


@pytest.fixture
def registries(monkeypatch):
    """What a test registers is gone after it."""
    for name in ("FORMATS", "COMPRESSIONS"):
        kinds = dict(getattr(readers, name))
        for module in (readers, readers.source):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, kinds)


def zipped(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", data)
    return file.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
@pytest.mark.parametrize("name", ["a.txt", "a", "A.TXT.GZ", "b.xz", "b.gz"])
def test_compression_is_told_by_content(tmp_path, name, pack):
    path = tmp_path / name
    path.write_bytes(pack(b"One\n\nTwo"))
    assert list(read_documents(path)) == ["One", "Two"]


def test_json_lines_are_told_by_name_in_any_case(tmp_path):
    path = tmp_path / "A.JSONL.GZ"
    path.write_bytes(gzip.compress(json.dumps({"text": "One"}).encode()))
    assert list(read_documents(path)) == ["One"]


@pytest.mark.parametrize(
    "data, what",
    [
        (b"PAR1\x15\x04PAR1", "a Parquet file"),
        (b"\x28\xb5\x2f\xfd\x04\x00word", "compressed with Zstandard"),
        (bz2.compress(b"word"), "compressed with bzip2"),
        (zipped("word"), "a zip archive"),
        (gzip.compress(zipped("word")), "a zip archive"),
        ("word".encode("utf-16"), "text in UTF-16"),
        (b"word\0word", r"binary data \(a zero at byte 4\)"),
    ],
    # The data of some is other at each run.
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a"])
def test_binary_content_is_refused_by_name(tmp_path, name, data, what):
    path = tmp_path / name
    path.write_bytes(data)
    message = rf"{path} is {what}\..* UTF-8 text or jsonl, plain or gz, xz: "
    for errors in ("strict", "replace"):
        with pytest.raises(ValueError, match=message) as error:
            list(read_documents(path, errors=errors))
        assert "\n" not in str(error.value)


def test_small_reads_lose_nothing(tmp_path):
    data = bytes(range(1, 128)) * 100
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(data))
    for size in (1, 100, 4096, 5000, 20_000):
        with readers.Source(str(path)) as source:
            parts = []
            while part := source.read(size):
                parts.append(part)
        assert b"".join(parts) == data
        # Blocks are the same however the head was read.
        assert {len(part) for part in parts[:-1]} <= {size}


def read_slips(source, reading, first):
    """A slip is a line of `word*number`: the word, so many times."""
    assert source.read(6) == b"SLIPS\n"
    lines = iter(lambda: source.read(1 << 16), b"")
    for line in b"".join(lines).decode().splitlines():
        word, number = line.split("*")
        yield readers.Piece([" ".join([word] * int(number))])


def test_a_format_from_outside(tmp_path, registries):
    readers.register("slips", read_slips, (".slips",), (b"SLIPS\n",))
    for name in ("a.txt", "a.slips.gz"):
        data = b"SLIPS\na*3\nb*1\nc*2\n"
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if "gz" in name else data)
        blocks = list(read_blocks([str(path)]))
        assert [b.documents for b in blocks] == [["a a a"], ["b"], ["c c"]]
        rest = list(read_blocks([str(path)], start=(0, 2)))
        assert [b.documents for b in rest] == [["c c"]]


def test_a_compression_from_outside(tmp_path, registries):
    readers.register_compression(
        "bz2", bz2.BZ2File, (".bz2",), (b"BZh",), (OSError,)
    )
    path = tmp_path / "a.txt.bz2"
    path.write_bytes(bz2.compress(b"One\n\nTwo"))
    assert list(read_documents(path)) == ["One", "Two"]
    path.write_bytes(b"BZh91AY&SY but no more")
    with pytest.raises(ValueError, match=r"Cannot decompress .*bz2"):
        list(read_documents(path))


def test_training_on_a_format_from_outside(tmp_path, registries):
    import tiny

    readers.register("slips", read_slips, (".slips",), (b"SLIPS\n",))
    lines = "".join(
        f"{word}*{i % 9 + 3}\n" for i, word in enumerate(tiny.WORDS)
    )
    (tmp_path / "a.slips").write_text("SLIPS\n" + lines)
    model = tiny.pretrainer(with_tokenizer=True)
    model.compile()
    dataset = pretraining_dataset(
        tmp_path / "a.slips",
        model.tokenizer,
        sequence_length=16,
        batch_size=4,
        segments="single",
    )
    before = [np.array(v) for v in model.get_weights()]
    history = model.fit(dataset, steps_per_epoch=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    changed = zip(before, model.get_weights())
    assert any((a != b).any() for a, b in changed)


def test_preparing_refuses_binary_files_at_once(tmp_path):
    import tiny

    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.txt").write_text("the time")
    (folder / "z.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    with pytest.raises(ValueError, match="z.png is binary data"):
        prepare_corpus(folder, tmp_path / "out", tiny.tokenizer())
    assert not (tmp_path / "out").exists()
