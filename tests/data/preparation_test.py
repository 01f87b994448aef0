import errno
import hashlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_rtd.data import prepare
from keras_rtd.data import prepare_corpus
from keras_rtd.data import storage
from keras_rtd.data.shards import ShardWriter
from keras_rtd.data.storage import load_json
from keras_rtd.tokenizers import ElectraTokenizer

REPOSITORY = pathlib.Path(__file__).parents[2]

# Slow enough to be killed at many places, and without TensorFlow.
SLOW_PREPARATION = """
import sys, time
sys.modules["tensorflow"] = None
from keras_rtd.data import prepare_corpus
from keras_rtd.data.readers import text
from keras_rtd.tokenizers import ElectraTokenizer
text._BLOCK_BYTES = 500
source, vocabulary, output, workers = sys.argv[1:]
class Slow(ElectraTokenizer):
    def encode_arrays(self, texts):
        time.sleep(0.01)
        return super().encode_arrays(texts)
print("ready", flush=True)
prepare_corpus(source, output, Slow(vocabulary), validation_fraction=0.1,
               shard_tokens=400, num_workers=int(workers))
"""


def contents(directory):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in pathlib.Path(directory).iterdir()
    }


def start(source, vocabulary, output, workers=1):
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            SLOW_PREPARATION,
            *map(str, (source, vocabulary, output, workers)),
        ],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def kill_until_done(corpus, tokenizer, tmp_path, seed, kills, workers=1):
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text("\n".join(tokenizer.get_vocabulary()))
    whole = tmp_path / "whole"
    assert start(corpus.directory, vocabulary, whole).wait() == 0
    rng = random.Random(seed)
    interrupted = 0
    for _ in range(kills):
        process = start(
            corpus.directory, vocabulary, tmp_path / "killed", workers
        )
        time.sleep(rng.uniform(0.0, 0.7))
        interrupted += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert interrupted
    last = start(corpus.directory, vocabulary, tmp_path / "killed", workers)
    assert last.wait() == 0
    assert contents(tmp_path / "killed") == contents(whole)


def test_killed_and_continued_is_bit_identical(corpus, tokenizer, tmp_path):
    kill_until_done(corpus, tokenizer, tmp_path, seed=0, kills=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 7))
def test_many_kills(corpus, tokenizer, tmp_path, seed):
    workers = 1 + seed % 2
    kill_until_done(corpus, tokenizer, tmp_path, seed, 5, workers)


def stop_at_write(monkeypatch, number, error):
    """Makes the write of that number fail after half of its bytes."""
    writes = 0
    write = storage._HashingFile.write

    def failing(self, data):
        nonlocal writes
        writes += 1
        if writes == number:
            write(self, bytes(data)[: len(data) // 2])
            raise error
        return write(self, data)

    monkeypatch.setattr(storage._HashingFile, "write", failing)


class Killed(BaseException):
    pass


def test_interrupted_at_every_write_is_bit_identical(
    corpus, tokenizer, tmp_path, monkeypatch
):
    arguments = {"validation_fraction": 0.1, "shard_tokens": 3000}
    prepare_corpus(corpus.directory, tmp_path / "whole", tokenizer, **arguments)
    expected = contents(tmp_path / "whole")
    number, finished = 0, False
    while not finished:
        number += 1
        output = tmp_path / str(number)
        with monkeypatch.context() as patch:
            stop_at_write(patch, number, Killed())
            try:
                prepare_corpus(corpus.directory, output, tokenizer, **arguments)
                finished = True
            except Killed:
                prepare_corpus(corpus.directory, output, tokenizer, **arguments)
        assert contents(output) == expected
    assert number > 10


def test_a_full_disk_keeps_finished_shards(
    corpus, tokenizer, tmp_path, monkeypatch
):
    arguments = {"validation_fraction": 0.1, "shard_tokens": 1000}
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        stop_at_write(patch, 40, full)
        with pytest.raises(OSError, match="disk is full.*shards are kept"):
            prepare_corpus(corpus.directory, tmp_path, tokenizer, **arguments)
    kept = load_json(tmp_path, storage.PROGRESS)["shards"]
    assert kept
    assert not [name for name in os.listdir(tmp_path) if "tmp" in name]
    encoded = []
    add = ShardWriter.add
    monkeypatch.setattr(
        ShardWriter,
        "add",
        lambda self, *args: (encoded.append(1), add(self, *args)),
    )
    prepare_corpus(corpus.directory, tmp_path, tokenizer, **arguments)
    assert load_json(tmp_path, storage.MANIFEST)["shards"][: len(kept)] == kept
    assert encoded


def test_workers_do_not_change_the_files(corpus, tokenizer, prepared, tmp_path):
    prepare_corpus(
        corpus.directory,
        tmp_path,
        tokenizer,
        validation_fraction=0.1,
        shard_tokens=1000,
        num_workers=2,
    )
    assert contents(tmp_path) == contents(prepared)


def test_again_changes_nothing_and_other_options_are_refused(
    corpus, tokenizer, prepared
):
    before = contents(prepared)
    arguments = {"validation_fraction": 0.1, "shard_tokens": 1000}

    def again(source=corpus.directory, tokenizer=tokenizer, **changes):
        return prepare_corpus(
            source, prepared, tokenizer, **{**arguments, **changes}
        )

    assert again() == load_json(prepared, storage.MANIFEST)
    with pytest.raises(
        ValueError, match="validation_fraction was 0.1, now 0.2"
    ):
        again(validation_fraction=0.2)
    with pytest.raises(ValueError, match="documents was .*; shard_tokens was"):
        again(documents="line", shard_tokens=7)
    with pytest.raises(ValueError, match="other input files"):
        again(source=corpus.directory / "part0.txt")
    other = ElectraTokenizer(tokenizer.get_vocabulary()[:-1])
    with pytest.raises(ValueError, match="tokenizer was"):
        again(tokenizer=other)
    assert contents(prepared) == before


def test_a_changed_source_is_refused(tmp_path, tokenizer, monkeypatch):
    source = tmp_path / "a.txt"
    source.write_text("w1\n\nw2")
    with monkeypatch.context() as patch:
        stop_at_write(patch, 5, Killed())
        with pytest.raises(Killed):
            prepare_corpus(source, tmp_path / "out", tokenizer)
    os.utime(source, (1, 1))
    with pytest.raises(ValueError, match=r"a\.txt has changed"):
        prepare_corpus(source, tmp_path / "out", tokenizer)


def test_after_a_bad_byte_it_continues_with_replace(tmp_path, tokenizer):
    (tmp_path / "a.txt").write_text("w1 w2\n\nw3")
    (tmp_path / "b.txt").write_bytes(b"w4 \xff")
    arguments = {"shard_tokens": 1, "validation_fraction": 0.0}
    with pytest.raises(ValueError, match=r"b\.txt is not UTF-8 at byte 3"):
        prepare_corpus(
            f"{tmp_path}/*.txt", tmp_path / "out", tokenizer, **arguments
        )
    arguments["errors"] = "replace"
    manifest = prepare_corpus(
        f"{tmp_path}/*.txt", tmp_path / "out", tokenizer, **arguments
    )
    assert manifest["counts"]["train"]["tokens"] == 4
    prepare_corpus(
        f"{tmp_path}/*.txt", tmp_path / "new", tokenizer, **arguments
    )
    assert contents(tmp_path / "out") == contents(tmp_path / "new")


def test_unigram_counts_and_unknown_tokens(tmp_path, tokenizer):
    (tmp_path / "a.txt").write_text("w1 w1 w2s\n\x07\nzebra")
    manifest = prepare_corpus(tmp_path / "a.txt", tmp_path / "out", tokenizer)
    counts = np.load(tmp_path / "out" / storage.UNIGRAM_COUNTS)
    suffix = tokenizer.vocabulary_size() - 1
    assert dict(enumerate(counts[counts > 0])) == {0: 1, 1: 2, 2: 1, 3: 1}
    assert np.flatnonzero(counts).tolist() == [1, 6, 7, suffix]
    assert manifest["counts"]["train"] == {
        "documents": 1,
        "lines": 2,
        "shards": 1,
        "tokens": 5,
        "unknown_tokens": 1,
    }


def test_text_without_tokens_is_an_error(tmp_path, tokenizer):
    (tmp_path / "a.txt").write_text("\x01 \x02")
    with pytest.raises(ValueError, match="finds no token"):
        prepare_corpus(tmp_path / "a.txt", tmp_path / "out", tokenizer)


def test_a_second_process_is_refused(tmp_path, tokenizer):
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / "a.txt").write_text("w1")
    (tmp_path / "out").mkdir()
    descriptor = os.open(tmp_path / "out", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(OSError, match="Another process"):
        prepare_corpus(tmp_path / "a.txt", tmp_path / "out", tokenizer)
    os.close(descriptor)
    prepare_corpus(tmp_path / "a.txt", tmp_path / "out", tokenizer)


@pytest.fixture
def vocabulary(tokenizer, tmp_path):
    path = tmp_path / "vocabulary.txt"
    path.write_text("\n".join(tokenizer.get_vocabulary()))
    return str(path)


def test_command(corpus, vocabulary, tmp_path, capsys):
    output = str(tmp_path / "out")
    command = ["--input", str(corpus.directory), "--output", output]
    command += ["--vocabulary", vocabulary]
    assert prepare.main(command) == 0
    assert "train: 8" in capsys.readouterr().out
    assert prepare.main([*command, "--cased"]) == 2
    assert "tokenizer was" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["--input", "nope*"], "'nope*'"),
        (["--validation_fraction", "1.5"], "validation_fraction=1.5"),
        (["--shard_tokens", "0"], "`shard_tokens` must be"),
        (["--num_workers", "0"], "`num_workers` must be"),
        (["--vocabulary", "nope.txt"], "nope.txt"),
    ],
)
def test_command_errors_are_one_line(
    corpus, vocabulary, tmp_path, capsys, arguments, named
):
    command = ["--input", str(corpus.directory), "--output", str(tmp_path)]
    command += ["--vocabulary", vocabulary, *arguments]
    assert prepare.main(command) == 2
    error = capsys.readouterr().err.strip()
    assert named in error and error.count("\n") == 0
