import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from recipe import run_here
from tensorboard.backend.event_processing import event_accumulator

from keras_rtd.models import ElectraPretrainer
from keras_rtd.pretraining.run_directory import RunDirectory
from keras_rtd.pretraining.run_directory import RunDirectoryError

ROOT = pathlib.Path(__file__).parents[2]
NAMES = (
    "loss generator_loss generator_accuracy sampled_accuracy "
    "discriminator_loss discriminator_accuracy discriminator_auc "
    "discriminator_average_precision discriminator_precision "
    "discriminator_recall replaced_rate"
).split()


def command(world, run_dir, *extra):
    return [
        sys.executable,
        str(ROOT / "recipes" / "pretrain_tiny.py"),
        f"--preset={world / 'preset'}",
        f"--data={world / 'prepared'}",
        f"--run_dir={run_dir}",
        "--train_steps=30",
        "--batch_size=4",
        "--sequence_length=16",
        "--checkpoint_every=5",
        "--eval_every=10",
        "--eval_batches=3",
        "--dtype=float32",
        *extra,
    ]


def run(world, run_dir, *extra):
    return subprocess.run(
        command(world, run_dir, *extra), capture_output=True, text=True
    )


def rows(run_dir):
    text = (run_dir / "metrics.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def weights(run_dir):
    model = ElectraPretrainer.from_preset(str(run_dir / "preset"))
    return [np.asarray(w) for w in model.get_weights()]


@pytest.fixture(scope="module")
def finished(world):
    """A run that nothing disturbed."""
    result = run(world, world / "finished")
    assert result.returncode == 0, result.stderr
    return world / "finished", result.stdout


def test_a_run_leaves_all_its_files(finished):
    run_dir, _ = finished
    found = rows(run_dir)
    assert [row["step"] for row in found] == [10, 20, 30]
    for row in found:
        assert row["tokens"] == row["step"] * 4 * 16
        assert row["seconds"] > 0
        for name in NAMES:
            assert np.isfinite(row[name]), name
            assert np.isfinite(row[f"val_{name}"]), name
        assert 0 < row["probe_auc"] < 1
        assert 0 < row["probe_average_precision"] < 1
    config = json.loads((run_dir / "config.json").read_text())
    assert config["run"]["train_steps"] == 30 and config["run"]["seed"] == 0
    assert list((run_dir / "checkpoints").glob("*.npz"))
    assert (run_dir / "preset" / "model.weights.h5").exists()
    assert (run_dir / "saved_model" / "saved_model.pb").exists()
    assert "<svg" in (run_dir / "report.html").read_text("utf-8")
    assert not list(run_dir.glob("*.tmp"))


def test_the_log_says_what_a_person_wants_to_know(finished):
    _, log = finished
    for word in (
        "parameters",
        "tokens/s",
        "of matmul peak",
        "left",
        "probe auc",
        "replaced",
        "lr ",
    ):
        assert word in log


def test_tensorboard_reads_scalars_and_samples(finished):
    run_dir, _ = finished
    events = event_accumulator.EventAccumulator(str(run_dir / "tensorboard"))
    events.Reload()
    probe = [(e.step, e.value) for e in events.Scalars("probe_auc")]
    expected = [
        (r["step"], pytest.approx(r["probe_auc"])) for r in rows(run_dir)
    ]
    assert probe == expected
    text = events.Tensors("samples")[-1].tensor_proto.string_val[0].decode()
    assert "original | shown" in text


def test_a_finished_run_is_left_alone(world, finished):
    run_dir, _ = finished

    def contents():
        return {
            p: p.stat().st_mtime_ns for p in run_dir.rglob("*") if p.is_file()
        }

    before = contents()
    result = run(world, run_dir)
    assert result.returncode == 0 and "nothing to do" in result.stdout
    assert contents() == before


def test_other_settings_are_refused_and_named(world, finished):
    run_dir, _ = finished
    result = run_here(command(world, run_dir, "--mask_rate=0.3"))
    assert result.returncode == 2
    assert "mask_rate: 0.15 there, 0.3 now" in result.stderr
    assert "Traceback" not in result.stderr


def kill_and_resume(world, finished, run_dir, times, seed):
    """SIGKILL at random moments, then to the end; equal to `finished`."""
    rng = random.Random(seed)
    straight, _ = finished
    for _ in range(times):
        process = subprocess.Popen(
            command(world, run_dir),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # Wait for training to begin, so that kills fall into it.
        for line in process.stdout:
            if "first step" in line or "finished" in line:
                break
        time.sleep(rng.random() * 2.0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    result = run(world, run_dir)
    assert result.returncode == 0, result.stderr
    for a, b in zip(weights(straight), weights(run_dir)):
        np.testing.assert_array_equal(a, b)
    drop = ("seconds", "tokens_per_second")
    for a, b in zip(rows(straight), rows(run_dir)):
        assert {k: v for k, v in a.items() if k not in drop} == {
            k: v for k, v in b.items() if k not in drop
        }


def test_a_killed_run_ends_with_the_same_bits(world, finished, tmp_path):
    kill_and_resume(world, finished, tmp_path / "killed", 1, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_again_and_again(world, finished, tmp_path, seed):
    kill_and_resume(world, finished, tmp_path / "killed", 4, seed=seed)


@pytest.mark.slow
def test_sigterm_saves_and_exits_0(world, finished, tmp_path):
    process = subprocess.Popen(
        command(world, tmp_path / "run", "--checkpoint_every=1000"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in process.stdout:
        if "first step" in line:
            break
    process.send_signal(signal.SIGTERM)
    log = process.stdout.read()
    assert process.wait() == 0, log
    assert "the same command continues" in log or "report:" in log
    result = run(world, tmp_path / "run", "--checkpoint_every=1000")
    assert result.returncode == 0, result.stderr
    straight, _ = finished
    for a, b in zip(weights(straight), weights(tmp_path / "run")):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_several_steps_a_call(world, finished, tmp_path):
    result = run(world, tmp_path / "run", "--steps_per_execution=5")
    if keras.config.backend() == "torch":
        assert result.returncode == 2
        assert "is for TensorFlow and JAX" in result.stderr
        return
    assert result.returncode == 0, result.stderr
    both = rows(finished[0]), rows(tmp_path / "run")
    for one, five in zip(*both, strict=True):
        assert one["step"] == five["step"]
        assert one["val_loss"] == pytest.approx(five["val_loss"], rel=1e-4)
    for a, b in zip(weights(finished[0]), weights(tmp_path / "run")):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.run_once
@pytest.mark.run_once
def test_text_files_train_too(world, tmp_path):
    result = subprocess.run(
        [
            *command(world, tmp_path / "run"),
            f"--data={world / 'corpus.txt'}",
            "--train_steps=10",
            "--validation_fraction=0.1",
        ],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert [row["step"] for row in rows(tmp_path / "run")] == [10]


@pytest.mark.run_once
@pytest.mark.parametrize(
    "extra, message",
    [
        (["--data=/nowhere/*.txt"], "/nowhere/*.txt"),
        (["--sequence_length=64"], "--sequence_length 64"),
        (["--preset=electra_huge"], "electra_huge"),
        (["--vocabulary=/nowhere.txt"], "/nowhere.txt"),
    ],
)
def test_bad_input_ends_with_one_line(world, tmp_path, extra, message):
    result = run_here(command(world, tmp_path / "run", *extra))
    assert result.returncode == 2
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error:") and message in last
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "run" / "preset").exists()


def test_the_lock_keeps_a_second_process_out(tmp_path):
    first, second = RunDirectory(tmp_path), RunDirectory(tmp_path)
    first.acquire()
    with pytest.raises(RunDirectoryError, match=str(os.getpid())):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_line_cut_by_a_kill_is_forgotten(tmp_path):
    directory = RunDirectory(tmp_path)
    for step in (10, 20, 30):
        directory.append_metrics({"step": step})
    with open(directory.metrics, "a") as file:
        file.write('{"step": 40, "lo')
    directory.rewind(20)
    assert [row["step"] for row in rows(tmp_path)] == [10, 20]


@pytest.mark.run_once
def test_micro_batches_that_cannot_share_the_batch_are_refused(world, tmp_path):
    result = run_here(command(world, tmp_path / "run", "--accumulate_steps=3"))
    assert result.returncode == 2
    last = result.stderr.strip().splitlines()[-1]
    assert "--accumulate_steps must divide the 4 rows" in last


@pytest.mark.run_once
def test_a_run_older_than_a_setting_has_its_default(world, finished):
    run_dir, _ = finished
    path = run_dir / "config.json"
    config = json.loads(path.read_text())
    del config["devices"]["accumulate_steps"]
    path.write_text(json.dumps(config))
    assert run_here(command(world, run_dir)).returncode == 0
    result = run_here(command(world, run_dir, "--accumulate_steps=2"))
    assert "accumulate_steps: 1 there, 2 now" in result.stderr


@pytest.mark.run_once
def test_a_continued_run_keeps_its_dtype(world, finished):
    run_dir, _ = finished
    result = run_here(command(world, run_dir, "--dtype=auto"))
    assert result.returncode == 0 and "nothing to do" in result.stdout
    result = run_here(command(world, run_dir, "--dtype=mixed_bfloat16"))
    assert "dtype: 'float32' there, 'mixed_bfloat16' now" in result.stderr


@pytest.mark.run_once
def test_a_runs_own_config_names_the_run(world, finished, tmp_path):
    run_dir, _ = finished
    recipe, file = command(world, run_dir)[:2], run_dir / "config.json"
    result = run_here([*recipe, f"--config={file}"])
    assert result.returncode == 0 and "nothing to do" in result.stdout
    # One of an earlier version is read, but not continued.
    old = json.loads(file.read_text())
    facts = old.pop("environment")
    facts.pop("data_identity")
    flat = {k: v for group in old.values() for k, v in group.items()}
    flat.pop("optimizer_options")
    (tmp_path / "config.json").write_text(json.dumps({**flat, **facts}))
    result = run_here([*recipe, f"--config={tmp_path / 'config.json'}"])
    assert result.returncode == 0 and "nothing to do" in result.stdout
    result = run_here(command(world, tmp_path))
    assert result.returncode == 2
    assert "an earlier version of keras_rtd started" in result.stderr
