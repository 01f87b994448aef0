"""A recipe on a CSV file and a Parquet file with weights, from one setting."""

import csv
import json
import pathlib
import subprocess
import sys

import pyarrow
import pyarrow.parquet
import tiny
import yaml
from recipe import run_here

ROOT = pathlib.Path(__file__).parents[2]


def test_a_run_on_several_corpora(world, tmp_path):
    texts = tiny.text(120).split("\n\n")
    with open(tmp_path / "a=b.csv", "w", newline="", encoding="cp1252") as file:
        rows = [["id", "body"], *([1, text] for text in texts[:60])]
        csv.writer(file).writerows(rows)
    column = pyarrow.table({"body": [*texts[60:], None]})
    pyarrow.parquet.write_table(column, tmp_path / "b.parquet")
    values = {
        "data": {
            "data": [
                f"table={tmp_path}/a=b.csv:0.7",
                f"rows={tmp_path}/*.parquet:3e-1",
            ],
            "text_field": "body",
            "encoding": "cp1252",
            "skip_bad": True,
            "sequence_length": 16,
            "validation_fraction": 0.1,
        },
        "run": {"train_steps": 4, "batch_size": 4, "eval_batches": 1},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    command = [
        sys.executable,
        str(ROOT / "recipes" / "pretrain_tiny.py"),
        f"--preset={world / 'preset'}",
        f"--config={tmp_path / 'config.yaml'}",
        f"--run_dir={tmp_path / 'run'}",
        "--dtype=float32",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"]["data"] == values["data"]["data"]
    assert config["data"]["text_field"] == "body"
    assert "bad record(s)" in done.stderr

    other = run_here(
        [*command[:-2], "--text_field=text", f"--run_dir={tmp_path}/x"]
    )
    assert other.returncode == 2
    assert "no column 'text'" in other.stderr and "id, body" in other.stderr
    assert other.stderr.strip().count("\n") == 0
