"""Runs on gs://: the recipe against a server that speaks the store's API.

The server is an emulator on 127.0.0.1; the real store was never reached.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import fsspec
import numpy as np
import pytest
from recipe import run_here

from keras_rtd.data.prepared import PreparedCorpus
from keras_rtd.pretraining.remote_run_directory import open_run_directory
from keras_rtd.pretraining.run_directory import RunDirectory
from keras_rtd.pretraining.run_directory import RunDirectoryError
from keras_rtd.pretraining.run_directory import local_folder
from keras_rtd.utils import remote
from keras_rtd.utils.remote import RemoteFolder

# Else gcsfs looks for Google's credentials to ask what kind a bucket is of.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
pytest.importorskip("gcsfs")
emulator = pytest.importorskip("gcp_storage_emulator.server")

RECIPE = pathlib.Path(__file__).parents[2] / "recipes" / "pretrain_tiny.py"
TIMEOUT = 240


@pytest.fixture(scope="module")
def store(world, tmp_path_factory):
    """`fsspec` file system of a bucket `b` with the prepared corpus."""
    import fsspec

    server = emulator.create_server(
        "127.0.0.1", 0, in_memory=True, default_bucket="b"
    )
    server.start()
    port = server._api._httpd.server_address[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        patch.setenv("KERAS_RTD_CACHE", str(tmp_path_factory.mktemp("cache")))
        files = fsspec.filesystem("gs", use_listings_cache=False)
        files.put(str(world / "prepared"), "b/prepared", recursive=True)
        yield files
    server.stop()


def command(world, run_dir, data="gs://b/prepared"):
    return [
        sys.executable,
        str(RECIPE),
        f"--preset={world / 'preset'}",
        f"--data={data}",
        f"--run_dir={run_dir}",
        "--train_steps=40",
        "--batch_size=4",
        "--sequence_length=16",
        "--checkpoint_every=5",
        "--eval_every=10",
        "--eval_batches=2",
        "--dtype=float32",
    ]


def start(*args, **kwargs):
    return subprocess.Popen(
        command(*args, **kwargs),
        env={**os.environ, "PYTHONPATH": str(RECIPE.parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    output, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, errors
    return output


def state(files, run_dir):
    """Arrays of the last checkpoint, but for what holds the time."""
    path = f"{run_dir}/checkpoints/step-0000000040.checkpoint.npz"
    with files.open(path) as file, np.load(file) as archive:
        return {k: archive[k] for k in archive.files if k != "meta"}


@pytest.mark.slow
def test_a_run_on_gs_equals_a_local_one_and_outlives_its_machine(
    world, store, tmp_path
):
    finish(start(world, tmp_path / "local", data=str(world / "prepared")))
    killed = start(world, "gs://b/run")
    deadline = time.monotonic() + TIMEOUT
    mark = "b/run/checkpoints/step-0000000015.checkpoint.npz.whole"
    while not store.exists(mark) and time.monotonic() < deadline:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    # Nothing that a new machine lacks is needed.
    output = finish(start(world, "gs://b/run"))
    assert "continuing at step" in output
    assert "preset: gs://b/run/preset" in output
    with np.load(
        tmp_path / "local/checkpoints/step-0000000040.checkpoint.npz"
    ) as archive:
        local = {k: archive[k] for k in archive.files if k != "meta"}
    remote = state(store, "b/run")
    assert local.keys() == remote.keys()
    for name, value in local.items():
        np.testing.assert_array_equal(remote[name], value, err_msg=name)
    rows = store.cat_file("b/run/metrics.jsonl").decode().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [10, 20, 30, 40]
    for name in (
        "config.json",
        "finished.json",
        "preset/config.json",
        "report.html",
        "saved_model/saved_model.pb",
    ):
        assert store.isfile(f"b/run/{name}"), name
    # An event file of each life.
    assert len(store.ls("b/run/tensorboard")) == 2
    assert finish(start(world, "gs://b/run")) == (
        "gs://b/run is finished: nothing to do\n"
    )


def test_what_a_bucket_cannot_do_is_told_in_one_line(world, store):
    cases = [
        (
            command(world, "gs://none/run"),
            "error: --run_dir gs://none/run cannot be used",
        ),
        (
            command(world, "gs://b/other", data="gs://b/nothing"),
            "error: No file matches 'gs://b/nothing'",
        ),
    ]
    for arguments, message in cases:
        result = run_here(arguments)
        assert result.returncode == 2, result.stderr
        assert message in result.stderr.splitlines()[-1]


def test_prepared_data_is_copied_once(world, store, monkeypatch):
    first = PreparedCorpus("gs://b/prepared")
    names = {path.name for path in pathlib.Path(first.directory).iterdir()}
    assert names == {path.name for path in (world / "prepared").iterdir()}
    word_start = np.array(first.word_start)
    fetched = []
    get = RemoteFolder.get
    monkeypatch.setattr(
        RemoteFolder,
        "get",
        lambda self, name, path: fetched.append(name) or get(self, name, path),
    )
    # A copy that was cut off goes on with what is missing.
    (pathlib.Path(first.directory) / "word_start.npy").write_bytes(b"half")
    second = PreparedCorpus("gs://b/prepared")
    assert second.directory == first.directory
    assert fetched == ["manifest.json", "word_start.npy"]
    np.testing.assert_array_equal(second.word_start, word_start)


def test_other_recipes_write_to_folders_only():
    with pytest.raises(RunDirectoryError, match="must be a folder"):
        RunDirectory("gs://b/run")
    with pytest.raises(RunDirectoryError, match="--run_dir gs://b/run must"):
        local_folder("gs://b/run")


def test_an_upload_that_fails_is_made_up_for(monkeypatch, capsys):
    memory = fsspec.filesystem("memory")
    monkeypatch.setattr(remote, "WAITS", (0.0,))
    directory = open_run_directory("memory://fails/run")

    def refuse(*_, **__):
        raise OSError("503: out of reach")

    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "put_file", refuse)
        directory.append_metrics({"step": 1})
        assert "warning: 503: out of reach" in capsys.readouterr().out
        with pytest.raises(OSError, match="503"):
            directory.finish({})
    directory.write_text(directory.samples, "[]")
    names = {name.rsplit("/", 1)[-1] for name in memory.find("/fails/run")}
    assert {directory.metrics.name, directory.samples.name} <= names
    directory.release()
