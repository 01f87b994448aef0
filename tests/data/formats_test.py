"""Each format beside another program that writes or reads it."""

import csv
import gzip
import io
import json
import sys

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
import zstandard

from keras_rtd.data import prepare_corpus
from keras_rtd.data.corpus import read_blocks
from keras_rtd.data.corpus import read_documents
from keras_rtd.data.readers import Reading
from keras_rtd.data.readers import records
from keras_rtd.data.readers import utf8

# Newlines, quotes, other scripts, empty, long.
TEXTS = [
    'He said "no", and; left\tat once',
    "two\nlines",
    "",
    "ภาษาไทย и русский 日本語",
    "NA",
    *(f"document {i} " + "word " * (i % 40) for i in range(500)),
]
EXPECTED = [text.strip() for text in TEXTS if text]


def table():
    return pyarrow.table(
        {"id": range(len(TEXTS)), "text": TEXTS, "label": [0.5] * len(TEXTS)}
    )


def as_csv(path, delimiter=","):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["id", "text", "label"])
        writer.writerows([i, text, 0.5] for i, text in enumerate(TEXTS))


def as_arrow_csv(path):
    pyarrow.csv.write_csv(table(), path)


def as_parquet(path):
    # Several row groups, and dictionaries.
    pyarrow.parquet.write_table(table(), path, row_group_size=100)


def as_feather(path):
    pyarrow.feather.write_feather(table(), str(path), chunksize=100)


def as_stream(path):
    with pyarrow.OSFile(str(path), "wb") as file:
        with pyarrow.ipc.new_stream(file, table().schema) as writer:
            writer.write_table(table(), max_chunksize=100)


def as_json_lines(path):
    lines = [json.dumps({"id": 1, "text": text}) for text in TEXTS]
    path.write_text("\n".join(lines))


def as_json_array(path):
    path.write_text(json.dumps([{"text": text} for text in TEXTS], indent=2))


def as_json_objects(path):
    texts = [json.dumps({"text": text}, indent=1) for text in TEXTS]
    path.write_text("\n".join(texts))


WRITERS = {
    "a.csv": as_csv,
    "b.csv": as_arrow_csv,
    "semicolons.csv": lambda path: as_csv(path, ";"),
    "a.tsv": lambda path: as_csv(path, "\t"),
    "a.parquet": as_parquet,
    "parquet.txt": as_parquet,
    "a.feather": as_feather,
    "a.arrow": as_stream,
    "a.jsonl": as_json_lines,
    "a.NDJSON": as_json_lines,
    "lines.json": as_json_lines,
    "lines.without_a_name": as_json_lines,
    "array.json": as_json_array,
    "objects.json": as_json_objects,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("packed", [False, True])
def test_documents_are_those_written(tmp_path, monkeypatch, name, packed):
    monkeypatch.setattr(records, "_BLOCK_CHARACTERS", 1 << 12)
    monkeypatch.setattr(utf8, "_CHUNK", 1 << 10)
    path = tmp_path / name
    WRITERS[name](path)
    if packed:
        data = gzip.compress(path.read_bytes())
        path = tmp_path / f"{name}.gz"
        path.write_bytes(data)
    assert list(read_documents(path)) == EXPECTED
    blocks = list(read_blocks([str(path)]))
    middle = len(blocks) // 2
    rest = read_blocks([str(path)], start=(0, blocks[middle].number))
    assert [b.documents for b in rest] == [b.documents for b in blocks[middle:]]


def test_what_datasets_saves_is_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": TEXTS}).save_to_disk(tmp_path / "d")
    with pytest.warns(UserWarning, match="state.json"):
        assert list(read_documents(tmp_path / "d")) == EXPECTED


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "array.json", "a.txt"])
def test_encodings_with_a_byte_order_mark(tmp_path, encoding, name):
    plain = tmp_path / name
    if name == "a.txt":
        plain.write_text("\n\n".join(TEXTS[3:]), "utf-8")
    else:
        WRITERS[name](plain)
    mark = "\ufeff" if encoding[-2:] in ("le", "be") else ""
    data = (mark + plain.read_text("utf-8")).encode(encoding)
    path = tmp_path / f"other.{name}"
    path.write_bytes(data)
    expected = list(read_documents(plain))
    assert list(read_documents(path)) == expected and len(expected) > 500


def test_other_encodings_are_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("Grüße aus Köln".encode("latin-1"))
    assert list(read_documents(path, encoding="latin-1")) == ["Grüße aus Köln"]
    with pytest.raises(ValueError, match=r"a\.txt is not ascii.*encoding=NAME"):
        list(read_documents(path, encoding="ascii"))


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.arrow", "a.tsv"])
def test_a_missing_column_names_those_there(tmp_path, name):
    WRITERS[name](tmp_path / name)
    message = rf"{name} has no column 'body'.*: id, text, label\..*--text_field"
    with pytest.raises(ValueError, match=message):
        list(read_documents(tmp_path / name, text_field="body"))
    found = list(read_documents(tmp_path / name, text_field="text"))
    assert found == EXPECTED


BAD = {
    "a.csv": ('text,n\none,1\ntwo\n"thr"ee,3\nfour,4\n', "line 3", 2),
    "a.jsonl": ('{"text":"one"}\n{\n7\n{"text":"four"}\n', "line 2", 2),
    "a.json": ('[{"text":"one"},{"n":1},{"text":"four"}]', "record 2", 1),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_records_are_named_or_skipped_and_counted(tmp_path, name):
    text, where, number = BAD[name]
    path = tmp_path / name
    path.write_text(text)
    message = rf"{name}, {where}: .*--skip_bad"
    with pytest.raises(ValueError, match=message):
        list(read_documents(path))
    (block,) = read_blocks([str(path)], Reading(skip_bad=True))
    assert (block.documents, block.skipped) == (["one", "four"], number)


def test_nulls_and_bytes_in_columns(tmp_path):
    for kind in (pyarrow.string(), pyarrow.binary(), pyarrow.large_string()):
        column = pyarrow.array(["one", None, "two"], kind)
        path = tmp_path / f"{kind}.parquet"
        pyarrow.parquet.write_table(pyarrow.table({"text": column}), path)
        with pytest.raises(ValueError, match="row 2: the text is null"):
            list(read_documents(path))
        assert list(read_documents(path, skip_bad=True)) == ["one", "two"]
    numbers = pyarrow.table({"text": np.arange(3)})
    pyarrow.parquet.write_table(numbers, tmp_path / "n.parquet")
    with pytest.raises(ValueError, match="row 1: the text is not a string"):
        list(read_documents(tmp_path / "n.parquet"))


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.feather"])
def test_a_damaged_table_is_named(tmp_path, name):
    WRITERS[name](tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=rf"{name} cannot be read as"):
        list(read_documents(tmp_path / name))


def test_a_zst_file_of_long_windows(tmp_path):
    parameters = zstandard.ZstdCompressionParameters.from_level(
        1, window_log=27, enable_ldm=True
    )
    pack = zstandard.ZstdCompressor(compression_params=parameters)
    path = tmp_path / "a.jsonl.zst"
    with zstandard.open(path, "wb", cctx=pack) as file:
        for text in TEXTS:
            file.write(json.dumps({"text": text}).encode() + b"\n")
    assert list(read_documents(path)) == EXPECTED


PAGE = """<html><head><title>No</title><style>p {}</style></head><body>
<p>One <b>bo</b>ld &amp; plain
line</p><script>no()</script><div>Two<br>Three</div></body></html>"""


@pytest.fixture
def archive():
    """A WARC file: a page, a picture, text, and a request."""
    pytest.importorskip("warcio")
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    def make(gzipped):
        file = io.BytesIO()
        writer = WARCWriter(file, gzip=gzipped)

        def add(kind, data, content_type):
            headers = StatusAndHeaders(
                "200 OK", [("Content-Type", content_type)], protocol="HTTP/1.0"
            )
            record = writer.create_warc_record(
                "http://example.org/",
                kind,
                payload=io.BytesIO(data),
                http_headers=headers if kind == "response" else None,
                warc_content_type=content_type,
            )
            writer.write_record(record)

        add("response", PAGE.encode(), "text/html; charset=utf-8")
        add("response", b"\x89PNG\0", "image/png")
        add("response", "Grüße".encode("latin-1"), "text/plain;charset=latin-1")
        add("conversion", b"Extracted\ntext", "text/plain")
        return file.getvalue()

    return make


@pytest.mark.parametrize("name", ["a.warc.gz", "a.wet", "a.txt"])
def test_web_archives(tmp_path, archive, name):
    path = tmp_path / name
    path.write_bytes(archive(name.endswith("gz")))
    assert list(read_documents(path)) == [
        "One bold & plain line\nTwo\nThree",
        "Grüße",
        "Extracted\ntext",
    ]


@pytest.mark.parametrize(
    "name, module, install",
    [
        ("a.parquet", "pyarrow", "pip install pyarrow"),
        ("a.arrow", "pyarrow", "pip install pyarrow"),
        ("a.warc", "warcio", r"pip install 'keras_rtd\[warc\]'"),
        ("a.txt.zst", "zstandard", "pip install zstandard"),
    ],
)
def test_a_missing_package_is_named(
    tmp_path, monkeypatch, name, module, install
):
    for loaded in list(sys.modules):
        if loaded.partition(".")[0] == module:
            monkeypatch.setitem(sys.modules, loaded, None)
    begin = {"a.parquet": b"PAR1", "a.arrow": b"ARROW1", "a.warc": b"WARC/1.0"}
    path = tmp_path / name
    path.write_bytes(begin.get(name, b"\x28\xb5\x2f\xfd") + b"\0" * 20)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"{name}.*{module}.*{install}"):
        list(read_documents(path))


def test_processes_prepare_what_arrow_reads(tmp_path, tokenizer):
    """Arrow's threads and forked processes do not wait for each other."""
    texts = [f"w{i} w{i + 1} w{i + 2}" for i in range(4000)]
    table = pyarrow.table({"text": texts})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    one, two = (
        prepare_corpus(
            tmp_path / "a.parquet", tmp_path / str(n), tokenizer, num_workers=n
        )
        for n in (1, 2)
    )
    assert one == two
