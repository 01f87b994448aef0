import bz2
import gzip
import json
import lzma
import sys

import fsspec
import pytest
import zstandard

from keras_rtd.data import corpus as reading
from keras_rtd.data import holdout
from keras_rtd.data.corpus import read_blocks
from keras_rtd.data.corpus import read_documents
from keras_rtd.data.files import resolve_files
from keras_rtd.data.readers import Reading
from keras_rtd.data.readers import text as text_reader

TEXT = "\n\nOne a\nOne b\r\n\r\nTwo, é\n \t \n\n\nThree\n"
DOCUMENTS = ["One a\nOne b", "Two, é", "Three"]


def zstd(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def write(path, data):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


@pytest.mark.parametrize(
    "name, pack",
    [("a.txt", bytes), ("a", bytes), ("a.gz", gzip.compress),
     ("a.txt.xz", lzma.compress)],
)  # fmt: skip
def test_formats(tmp_path, name, pack):
    path = write(tmp_path / name, pack(TEXT.encode()))
    assert list(read_documents(path)) == DOCUMENTS


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=ascii)
@pytest.mark.parametrize("size", [1, 7, 1 << 19])
def test_universal_newlines(tmp_path, monkeypatch, newline, size):
    monkeypatch.setattr(text_reader, "_BLOCK_BYTES", size)
    text = TEXT.replace("\r\n", "\n").replace("\n", newline)
    path = write(tmp_path / "a.txt", text)
    assert list(read_documents(path)) == DOCUMENTS
    lines = ["One a", "One b", "Two, é", "Three"]
    assert list(read_documents(path, documents="line")) == lines


def test_indentation_is_kept(tmp_path):
    path = write(tmp_path / "a.txt", " \n  if a:\n    b\n\n    else\t\n")
    assert list(read_documents(path)) == ["  if a:\n    b", "    else"]


def test_every_line_a_document(tmp_path):
    path = write(tmp_path / "a.txt", TEXT)
    lines = ["One a", "One b", "Two, é", "Three"]
    assert list(read_documents(path, documents="line")) == lines


@pytest.mark.parametrize("pack", [None, gzip.compress, lzma.compress])
def test_json_lines(tmp_path, pack):
    records = [{"body": "a\n\nb"}, {"body": ""}, {"body": "c"}]
    data = "\n".join(map(json.dumps, records)).encode() + b"\n\n"
    suffix = {None: "", gzip.compress: ".gz", lzma.compress: ".xz"}[pack]
    path = write(tmp_path / f"a.jsonl{suffix}", pack(data) if pack else data)
    assert list(read_documents(path, text_field="body")) == ["a\nb", "c"]


def test_blocks_do_not_change_documents(tmp_path, monkeypatch):
    documents = [
        "\n".join(f"{i} {j} " + "x" * (j * i % 7) for j in range(i % 9 + 1))
        for i in range(300)
    ]
    separators = ["\n\n", "\n \n", "\r\n\r\n", "\n\n\n\t\n"]
    text = "".join(
        document + separators[i % 4] for i, document in enumerate(documents)
    )
    path = write(tmp_path / "a.txt", text)
    expected = ["\n".join(d.split("\n")).strip() for d in documents]
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr(text_reader, "_BLOCK_BYTES", size)
        blocks = list(read_blocks([path]))
        assert [d for b in blocks for d in b.documents] == expected
        # A later start gives the same as leaving out the first blocks.
        for skipped in (1, len(blocks) // 2, len(blocks) - 1):
            rest = list(read_blocks([path], start=(0, blocks[skipped].number)))
            assert [b.documents for b in rest] == [
                b.documents for b in blocks[skipped:]
            ]


@pytest.mark.parametrize("text", ["é" * 3000, "wörd " * 900, "a b\n" * 900])
def test_a_long_document_is_cut_without_loss(tmp_path, monkeypatch, text):
    monkeypatch.setattr(text_reader, "_BLOCK_BYTES", 101)
    monkeypatch.setattr(text_reader, "_LONGEST_DOCUMENT", 1000)
    path = write(tmp_path / "a.txt", text + "\n\nnext")
    blocks = list(read_blocks([path]))
    documents = [d for b in blocks for d in b.documents]
    assert len(documents) > 4 and documents[-1] == "next"
    kept = "".join("".join(documents[:-1]).split())
    assert kept == "".join(text.split())
    hashes = [int(h) for b in blocks for h in b.hashes]
    assert len(set(hashes[:-1])) == 1 and hashes[-1] != hashes[0]


def test_a_document_after_a_cut_one_has_its_own_hash(tmp_path, monkeypatch):
    monkeypatch.setattr(text_reader, "_BLOCK_BYTES", 1)
    monkeypatch.setattr(text_reader, "_LONGEST_DOCUMENT", 10)
    path = write(tmp_path / "a.txt", "aaaa bbbb\n\ncc")
    hashes = [int(h) for b in read_blocks([path]) for h in b.hashes]
    assert hashes[-1] == reading.document_hash("cc")


def test_ten_megabytes_on_one_line(tmp_path):
    text = "some words " * 950_000
    path = write(tmp_path / "a.txt", text)
    (document,) = read_documents(path)
    assert document.split() == text.split()
    assert max(map(len, document.split("\n"))) <= 1 << 20


def test_bad_utf8_names_file_and_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(text_reader, "_BLOCK_BYTES", 16)
    path = write(tmp_path / "bad.txt", b"good text\n\n" * 10 + b"b\xffd")
    for skip in (False, True):
        with pytest.raises(ValueError, match=r"bad\.txt .*byte 111 .*replace"):
            list(read_documents(path, skip_bad=skip))
    assert list(read_documents(path, errors="replace"))[-1] == "b\ufffdd"


@pytest.mark.parametrize(
    "line, reason",
    [
        ('{"text": 1}', "not a string"),
        ('{"text": null}', "null; pass skip_bad=True"),
        ('{"other": "a"}', "no field 'text'"),
        ("{", "Expecting"),
        ("[]", "list"),
        ('{"text": "\\ud800"}', "surrogate"),
    ],
)
def test_bad_records_name_file_and_line(tmp_path, line, reason):
    path = write(tmp_path / "bad.jsonl", '{"text": "a"}\n\n' + line + "\n")
    with pytest.raises(ValueError, match=rf"bad\.jsonl, line 3: .*{reason}"):
        list(read_documents(path))
    with open(path, "ab") as file:
        file.write(b'{"text": "b", "other": "\xff"}\n{"text": "c"}\n')
    (block,) = read_blocks([path], Reading(skip_bad=True))
    assert (block.documents, block.skipped) == (["a", "b", "c"], 1)


@pytest.mark.parametrize(
    "pack", [gzip.compress, lzma.compress, bz2.compress, zstd]
)
@pytest.mark.parametrize("damage", ["cut", "flip", "other"])
def test_damaged_archives_name_the_file(tmp_path, pack, damage):
    data = bytearray(pack(("word " * 40_000).encode()))
    if damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "flip":
        data[len(data) // 2] ^= 0xFF
    else:
        data = b"this is no archive"
    suffixes = {gzip: "gz", lzma: "xz", bz2: "bz2"}
    suffix = suffixes.get(sys.modules.get(pack.__module__), "zst")
    path = write(tmp_path / f"bad.txt.{suffix}", bytes(data))
    with pytest.raises(ValueError, match=r"Cannot decompress .*bad\.txt"):
        list(read_documents(path))


def test_patterns(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("b.txt", "a.txt", "below/c.md", ".d", ".hidden/e", "[1].x"):
        write(tmp_path / name, "text")
    names = ["[1].x", "a.txt", "b.txt", "below/c.md"]
    expected = [str(tmp_path / name) for name in names]
    for folder in (tmp_path, f"{tmp_path}/*"):
        with pytest.warns(
            UserWarning, match=r"1 file.* left out.*: \[1\]\.x\."
        ):
            assert resolve_files(folder) == expected[1:]
    assert resolve_files([f"{tmp_path}/*.txt", expected[2]]) == expected[1:3]
    assert resolve_files([tmp_path, expected[0]]) == expected
    assert resolve_files(expected[0]) == expected[:1]
    write(tmp_path / "other" / "a.png", "text")
    with pytest.raises(ValueError, match=r"no file of a known kind.*a\.png"):
        resolve_files(tmp_path / "other")
    with pytest.raises(ValueError, match=r"No file matches '.*nope\*'"):
        resolve_files([str(tmp_path), f"{tmp_path}/nope*"])
    with pytest.raises(ValueError, match="empty"):
        resolve_files([])


def test_remote_files():
    files = fsspec.filesystem("memory")
    for name, data in (
        ("a.txt", TEXT.encode()), ("below/b.txt.gz", gzip.compress(b"Four"))
    ):  # fmt: skip
        files.pipe_file(f"/corpus/{name}", data)
    assert list(read_documents("memory://corpus")) == [*DOCUMENTS, "Four"]
    assert list(read_documents("memory://corpus/*.txt")) == DOCUMENTS
    assert (
        holdout.scan_corpus(resolve_files("memory://corpus")).num_documents == 4
    )


def test_held_out_documents_are_those_of_low_hash(tmp_path):
    path = write(tmp_path / "a.txt", "\n\n".join(map(str, range(2000))))
    scan = holdout.scan_corpus([path], validation_fraction=0.1)
    low = sum(reading.document_hash(str(i)) < 0.1 * 2**64 for i in range(2000))
    assert scan.num_documents == 2000
    assert scan.num_held_out == low and 150 < low < 250
    some = holdout.scan_corpus([path], Reading(), 0.1, enough=(1, 0))
    assert some.threshold == scan.threshold


def test_a_small_corpus_has_a_held_out_document(tmp_path):
    path = write(tmp_path / "a.txt", "One\n\nTwo\n\nThree")
    scan = holdout.scan_corpus([path], validation_fraction=1e-9)
    hashes = map(reading.document_hash, ("One", "Two", "Three"))
    assert scan.num_held_out == 1
    assert scan.threshold == min(hashes) + 1
    none = holdout.scan_corpus([path], validation_fraction=0)
    assert none.num_held_out == none.threshold == 0


def test_one_document_is_not_held_out(tmp_path):
    path = write(tmp_path / "a.txt", "One\n\nOne")
    assert holdout.scan_corpus([path]).num_held_out == 0


def test_a_corpus_without_text_is_an_error(tmp_path):
    paths = [write(tmp_path / "a.txt", "\n \n"), write(tmp_path / "b.txt", "")]
    with pytest.raises(ValueError, match=r"empty: no text in 2 .*a\.txt"):
        holdout.scan_corpus(paths)
