"""What a corpus file is, and who reads it."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile

import numpy as np
import pytest
import zstandard

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


def zstd_frames(data):
    """Two frames after one that is skipped, as pzstd writes them."""
    pack = zstandard.ZstdCompressor().compress
    skipped = b"\x50\x2a\x4d\x18\x04\0\0\0size"
    return skipped + pack(data[:4]) + pack(data[4:])


PACKS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd_frames,
}


@pytest.mark.parametrize("kind", PACKS)
@pytest.mark.parametrize("name", ["a.txt", "a", "A.TXT.GZ", "b.xz", "b.zst"])
def test_compression_is_told_by_content(tmp_path, name, kind):
    path = tmp_path / name
    path.write_bytes(PACKS[kind](b"One\n\nTwo"))
    assert list(read_documents(path)) == ["One", "Two"]


def test_json_lines_are_told_by_name_in_any_case(tmp_path):
    path = tmp_path / "A.JSONL.GZ"
    path.write_bytes(gzip.compress(json.dumps({"text": "One"}).encode()))
    assert list(read_documents(path)) == ["One"]


def tarred(data):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as t:
        info = tarfile.TarInfo("a.txt")
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
    return file.getvalue()


FOREIGN = {
    "a zip archive": zipped("word"),
    "a tar archive": tarred(b"word"),
    "a PDF": b"%PDF-1.7\n%word",
    "an RTF document": b"{\\rtf1\\ansi word}",
    r"a picture \(PNG\)": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "an HDF5 file": b"\x89HDF\r\n\x1a\n\0",
    "a NumPy array": b"\x93NUMPY\x01\0",
    "an SQLite database": b"SQLite format 3\0",
    "compressed with LZ4": b"\x04\x22\x4d\x18word",
    "text in UTF-16 without.*=utf-16-le": "some words".encode("utf-16-le"),
    "text in UTF-16 without.*=utf-16-be": ("我们\n" * 9).encode("utf-16-be"),
    r"binary data \(a zero at byte 4\)": b"word\0word",
    r"binary data \(control": bytes(range(1, 9)) * 9,
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a", "b.txt.gz"])
def test_binary_content_is_refused_by_name(tmp_path, name, what):
    data = FOREIGN[what]
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    what, _, advice = what.partition(".*")
    message = rf"{path} is {what}.* is text, jsonl, .* plain or gz, .*{advice}"
    for errors in ("strict", "replace"):
        with pytest.raises(ValueError, match=message) as error:
            list(read_documents(path, errors=errors))
        assert "\n" not in str(error.value)
        assert "errors=" not in str(error.value)


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.html", "word"),
        ("a.xml.gz", "word"),
        ("a", "<!DOCTYPE html><p>word"),
        ("a.dump", "<mediawiki xml:lang='en'>"),
    ],
)
def test_markup_is_refused_unless_its_name_says_text(tmp_path, name, text):
    path = tmp_path / name
    pack = gzip.compress if name.endswith("gz") else bytes
    path.write_bytes(pack(text.encode()))
    with pytest.raises(ValueError, match=r"is markup .* name the file \.txt"):
        list(read_documents(path))
    path = path.rename(tmp_path / "a.txt")
    assert list(read_documents(path)) == [text]


def test_a_zero_far_inside_is_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"word\n" * 2000 + b"\0word")
    with pytest.raises(ValueError, match=r"zero at byte 10000 \(line 2001\)"):
        list(read_documents(path))


def test_noise_is_not_read_with_replace(tmp_path):
    """Other encodings in which most bytes are no UTF-8."""
    text = "Съешь ещё этих мягких французских булок. " * 20
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode("koi8-r"))
    for errors in ("strict", "replace"):
        with pytest.raises(ValueError, match="encoding=NAME") as error:
            list(read_documents(path, errors=errors))
        assert "errors=" not in str(error.value)
    found = list(read_documents(path, encoding="koi8-r"))
    assert found == [text.strip()]


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
    def open_hex(raw):
        return io.BytesIO(
            bytes.fromhex(raw.read().decode().removeprefix("HEX"))
        )

    readers.register_compression(
        "hex", open_hex, (".hex",), (b"HEX",), (ValueError,)
    )
    path = tmp_path / "a.txt.hex"
    path.write_text("HEX" + b"One\n\nTwo".hex())
    assert list(read_documents(path)) == ["One", "Two"]
    path.write_text("HEX no more")
    with pytest.raises(ValueError, match=r"Cannot decompress .*hex"):
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
    (folder / "z.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    with pytest.raises(ValueError, match="z.txt is a picture"):
        prepare_corpus(folder, tmp_path / "out", tiny.tokenizer())
    assert not (tmp_path / "out").exists()
