"""What `auto` stands for, TPUs that are not there, and processes of its own."""

import os
import pathlib
import subprocess
import sys
import time

import keras
import pytest

from keras_rtd.training import StrategyError
from keras_rtd.training import get_strategy
from keras_rtd.training import strategy as strategies
from keras_rtd.utils import hardware
from keras_rtd.utils import tpu

BACKEND = keras.config.backend()
ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def with_tpu(monkeypatch):
    monkeypatch.setattr(tpu, "is_attached", lambda: True)
    monkeypatch.setattr(tpu, "is_jaxs", lambda: True)
    monkeypatch.setattr(tpu, "is_tensorflows", lambda: True)


def test_auto_is_one_device_where_there_is_no_accelerator():
    assert get_strategy("auto").name == "single"
    assert strategies.start_processes("auto") is None


def test_names():
    assert strategies.STRATEGIES[:2] == ("auto", "single")
    with pytest.raises(StrategyError, match="must be one of auto, single"):
        get_strategy("all")


@pytest.mark.only_on("tensorflow", "jax")
def test_auto_takes_the_tpu(with_tpu):
    assert strategies._of_backend().automatic() == "tpu"


@pytest.mark.only_on("tensorflow")
def test_auto_on_tensorflow(monkeypatch):
    import tensorflow as tf

    automatic = strategies._of_backend().automatic
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind: [kind] * 2
    )
    assert automatic() == "mirrored"
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert automatic() == "multi_worker"


@pytest.mark.only_on("jax")
@pytest.mark.parametrize(
    "platform, count, expected",
    [
        ("gpu", 8, "data_parallel"),
        ("gpu", 1, "single"),
        # Virtual ones, of tests.
        ("cpu", 8, "single"),
    ],
)
def test_auto_on_jax(monkeypatch, platform, count, expected):
    import types

    import jax

    device = types.SimpleNamespace(platform=platform)
    monkeypatch.setattr(jax, "devices", lambda: [device] * count)
    assert strategies._of_backend().automatic() == expected


@pytest.mark.only_on("torch")
def test_auto_on_torch(monkeypatch, capsys):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    assert strategies._of_backend().automatic() == "single"
    assert "torchrun --nproc_per_node=gpu" in capsys.readouterr().out
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    assert strategies._of_backend().automatic() == "ddp"
    assert strategies.start_processes("auto") is None


@pytest.mark.only_on("tensorflow", "jax")
def test_no_tpu_ends_with_what_to_install():
    with pytest.raises(StrategyError) as e:
        get_strategy("tpu")
    package = {"tensorflow": "tensorflow-tpu==2.20.0", "jax": "[jax-tpu]"}
    assert package[BACKEND] in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.only_on("torch")
def test_tpu_on_torch_names_the_others():
    with pytest.raises(StrategyError, match="tensorflow and jax's; this is"):
        get_strategy("tpu")


@pytest.mark.only_on("jax")
def test_hosts_of_a_tpu_that_do_not_connect(monkeypatch):
    monkeypatch.setenv("TPU_WORKER_HOSTNAMES", "host0,host1")
    with pytest.raises(StrategyError, match="The 2 hosts of this TPU did not"):
        get_strategy("tpu")


# === Which backend ===


@pytest.fixture
def fresh(monkeypatch, tmp_path, with_tpu):
    """A machine with a TPU, before Keras is imported."""
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr(tpu, "is_tensorflows", lambda: False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    yield tmp_path
    # What the test set is none of monkeypatch's.
    os.environ.pop("KERAS_BACKEND", None)


def test_jax_where_only_jax_can_use_the_tpu(fresh, capsys):
    # Keras writes this file by itself.
    (fresh / "keras.json").write_text('{"backend": "tensorflow"}')
    tpu.choose_backend()
    assert os.environ["KERAS_BACKEND"] == "jax"
    assert "taking KERAS_BACKEND=jax" in capsys.readouterr().err


@pytest.mark.parametrize(
    "why", ["variable", "imported", "json", "no tpu", "no jax", "tensorflow"]
)
def test_a_backend_that_is_chosen_stays(fresh, why, monkeypatch, capsys):
    if why == "variable":
        monkeypatch.setenv("KERAS_BACKEND", "torch")
    elif why == "imported":
        monkeypatch.setitem(sys.modules, "keras", keras)
    elif why == "json":
        (fresh / "keras.json").write_text('{"backend": "torch"}')
    elif why == "no tpu":
        monkeypatch.setattr(tpu, "is_attached", lambda: False)
    elif why == "no jax":
        monkeypatch.setattr(tpu, "is_jaxs", lambda: False)
    else:
        monkeypatch.setattr(tpu, "is_tensorflows", lambda: True)
    before = os.environ.get("KERAS_BACKEND")
    tpu.choose_backend()
    assert os.environ.get("KERAS_BACKEND") == before
    assert capsys.readouterr().err == ""


def test_a_tpu_is_seen_by_its_device_and_its_maker(monkeypatch, tmp_path):
    for name in tpu.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert not tpu.is_attached()
    device, vendor = tmp_path / "accel0", tmp_path / "vendor"
    monkeypatch.setattr(tpu, "DEVICES", (str(device),))
    monkeypatch.setattr(tpu, "VENDORS", str(vendor))
    device.touch()
    vendor.write_text("0x10de\n")
    assert not tpu.is_attached()
    vendor.write_text("0x1ae0\n")
    assert tpu.is_attached()
    vendor.unlink()
    monkeypatch.setenv("TPU_WORKER_ID", "0")
    assert tpu.is_attached()
    device.unlink()
    assert not tpu.is_attached()


def test_looking_for_a_tpu_imports_no_backend():
    code = (
        "import sys; sys.modules['keras_rtd'] = type(sys)('keras_rtd'); "
        f"sys.modules['keras_rtd'].__path__ = [{str(ROOT / 'keras_rtd')!r}]; "
        "from keras_rtd.utils import tpu; tpu.choose_backend(); "
        "tpu.is_jaxs(), tpu.is_tensorflows(); "
        "print({'keras', 'jax', 'tensorflow', 'torch'} & set(sys.modules))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    command = [sys.executable, "-c", code]
    printed = subprocess.check_output(command, env=environment, text=True)
    assert printed == "set()\n"


# === Which dtype ===


@pytest.mark.parametrize(
    "capability, expected", [(7.5, "float32"), (8.0, "mixed_bfloat16")]
)
def test_bfloat16_on_gpus_that_have_it(monkeypatch, capability, expected):
    monkeypatch.setattr(hardware, "has_gpu", lambda: True)
    monkeypatch.setattr(hardware, "_compute_capability", lambda: capability)
    assert hardware.fast_dtype() == expected


def test_bfloat16_only_where_all_processes_are_fast_at_it(monkeypatch):
    monkeypatch.setattr(hardware, "_is_fast_at_bfloat16", lambda: True)

    class Other(strategies.Strategy):
        def any(self, flag):
            return True

    assert hardware.fast_dtype(strategies.Strategy()) == "mixed_bfloat16"
    assert hardware.fast_dtype(Other()) == "float32"


# === Processes of its own ===

PROGRAM = """
import os, signal, sys, time
sys.path.insert(0, {root!r})
from keras_rtd.training.strategy import get_strategy, start_processes
status = start_processes("auto")
if status is None:
    {body}
sys.exit(status)
"""
BODIES = {
    "sum": """strategy = get_strategy("auto")
    both = (strategy.any(strategy.worker == 1), strategy.any(False))
    words = (strategy.name, strategy.worker, strategy.workers, *both)
    # One write a line: print() makes several, and processes share the pipe.
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
    strategy.close()""",
    "fail": """sys.exit(3 if os.environ["RANK"] == "1" else 0)""",
    "wait": """signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.write(1, b"ready\\n")
    time.sleep(60)""",
}


def program(name):
    code = PROGRAM.format(root=str(ROOT), body=BODIES[name])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_RTD_PROCESSES": "2"},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.only_on("torch")
def test_auto_starts_its_processes():
    running = program("sum")
    printed, _ = running.communicate(timeout=120)
    assert running.returncode == 0
    first, *lines = printed.splitlines()
    assert first == "starting 2 processes on this host"
    assert sorted(x for x in lines if x.startswith("ddp")) == [
        "ddp 0 2 True False",
        "ddp 1 2 True False",
    ]


@pytest.mark.slow
@pytest.mark.only_on("torch")
def test_a_process_that_fails_gives_its_status():
    running = program("fail")
    running.communicate(timeout=120)
    assert running.returncode == 3


@pytest.mark.only_on("torch")
def test_a_signal_reaches_all_processes():
    running = program("wait")
    ready = 0
    while ready < 2:
        ready += running.stdout.readline().strip() == "ready"
    start = time.monotonic()
    running.terminate()
    running.communicate(timeout=60)
    assert running.returncode == 0
    assert time.monotonic() - start < 30
