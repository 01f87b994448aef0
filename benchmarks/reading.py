"""How fast each format is read, on one core, beside Hugging Face `datasets`.

    python benchmarks/reading.py

prints a table: megabytes of text per second of processor time, from a file to
documents as str. The text is Python's own documentation, four times over; each
reader goes through it in turns, and the fastest of three counts.
"""

import bz2
import csv
import gzip
import json
import lzma
import os
import pathlib
import tempfile
import time

import datasets
import pyarrow
import pyarrow.parquet
import zstandard

from keras_rtd.data.corpus import read_documents
from keras_rtd.data.python_docs import write_corpus

TURNS = 3
COPIES = 4
PACKS = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


def as_text(path, texts):
    path.write_text("\n\n".join(texts), "utf-8")


def as_json_lines(path, texts):
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def as_csv(path, texts):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([["text"], *([text] for text in texts)])


def as_parquet(path, texts):
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), path)


def as_arrow(path, texts):
    table = pyarrow.table({"text": texts})
    with pyarrow.OSFile(str(path), "wb") as file:
        with pyarrow.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=1000)


# Suffix, how it is written, and what `datasets` calls it.
FORMATS = {
    "txt": (as_text, "text"),
    "jsonl": (as_json_lines, "json"),
    "csv": (as_csv, "csv"),
    "parquet": (as_parquet, "parquet"),
    "arrow": (as_arrow, "arrow"),
}


def theirs(path, kind):
    options = {"sample_by": "paragraph"} if kind == "text" else {}
    rows = datasets.load_dataset(
        kind, data_files=str(path), split="train", streaming=True, **options
    )
    return (row["text"] for row in rows)


def seconds(make):
    start = time.process_time()
    for _ in make():
        pass
    return time.process_time() - start


def main():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_corpus(folder / "corpus.txt")
        texts = list(read_documents(folder / "corpus.txt")) * COPIES
        megabytes = sum(len(text.encode()) for text in texts) / 1e6
        print(f"{megabytes:.1f} MB of text, {len(texts):,} documents")
        print("| file | keras_rtd, MB/s | datasets, MB/s |\n|---|---|---|")
        for suffix, (write, kind) in FORMATS.items():
            plain = folder / f"a.{suffix}"
            write(plain, texts)
            packs = PACKS if suffix in ("txt", "jsonl") else [""]
            for packed in packs:
                path = plain.with_name(plain.name + packed)
                if packed:
                    path.write_bytes(PACKS[packed](plain.read_bytes()))
                assert list(read_documents(path)) == texts, path
                best = [float("inf")] * 2
                for _ in range(TURNS):
                    for i, make in enumerate(
                        (
                            lambda p=path: read_documents(p),
                            lambda p=path, k=kind: theirs(p, k),
                        )
                    ):
                        best[i] = min(best[i], seconds(make))
                ours, other = (megabytes / b for b in best)
                print(
                    f"| {path.name[1:]} | {ours:.0f} | {other:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
