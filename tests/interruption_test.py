"""Ctrl-C where nothing but Python would catch it."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[1]
COMMANDS = {
    "module": ("-m", "keras_rtd.data.vocabulary", "--input=PIPE"),
    "recipe": ("recipes/pretrain_tiny.py", "--data=PIPE", "--run_dir=RUN"),
}


@pytest.mark.parametrize("command", sorted(COMMANDS))
@pytest.mark.parametrize("delay", [0.5, 3.0])
def test_it_ends_with_one_line(command, delay, tmp_path):
    words = [
        word.replace("PIPE", str(tmp_path / "text")).replace(
            "RUN", str(tmp_path / "run")
        )
        for word in COMMANDS[command]
    ]
    if command == "module":
        words.append(f"--output={tmp_path / 'tokenizer.json'}")
    (tmp_path / "text").write_text("some words of a text\n\n" * 200_000)
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors, errors
    # 0 and 2: it had ended by itself.
    assert process.returncode in (-signal.SIGINT, 130, 0, 2), errors
