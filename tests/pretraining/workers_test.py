"""Commands side by side: cores, kills, and a parent that goes."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from keras_rtd.pretraining.workers import run_side_by_side

SECONDS = 20


def python(text):
    return [sys.executable, "-u", "-c", text]


def test_all_run_at_most_so_many_at_a_time(tmp_path):
    text = (
        "import os, pathlib, time\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "me = folder / str(os.getpid())\n"
        "me.touch()\n"
        "print(len(list(folder.iterdir())), len(os.sched_getaffinity(0)),"
        " os.environ['OMP_NUM_THREADS'])\n"
        "time.sleep(.3)\n"
        "me.unlink()"
    )
    lines = []
    names = [f"run-{i}" for i in range(4)]
    statuses = run_side_by_side(
        {name: python(text) for name in names}, 2, lines.append
    )
    assert statuses == dict.fromkeys(names, 0)
    assert sorted(line.split()[0] for line in lines) == [
        f"[{name}]" for name in names
    ]
    few = len(os.sched_getaffinity(0)) < 2
    for line in lines:
        together, cores, threads = map(int, line.split()[1:])
        assert together <= 2 and threads == 1
        assert few or cores == 1


def test_what_is_killed_goes_on(tmp_path):
    text = (
        "import os, pathlib, signal\n"
        f"path = pathlib.Path({str(tmp_path / 'done')!r})\n"
        "if path.exists(): print('goes on'); exit()\n"
        "path.touch()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    lines = []
    assert run_side_by_side({"a": python(text)}, 1, lines.append) == {"a": 0}
    assert lines == ["[a] killed by signal 9: started again", "[a] goes on"]


def test_an_error_is_kept_and_the_others_run():
    commands = {"bad": python("exit(3)"), "good": python("print('well')")}
    lines = []
    statuses = run_side_by_side(commands, 1, lines.append)
    assert statuses == {"bad": 3, "good": 0} and lines == ["[good] well"]


def test_what_is_always_killed_is_given_up():
    text = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    lines = []
    assert run_side_by_side({"a": python(text)}, 1, lines.append) == {"a": -9}
    assert len(lines) == 2


def test_a_signal_stops_all_and_starts_no_more():
    text = "import time; print('here'); time.sleep(60)"
    lines = []

    def show(line):
        lines.append(line)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()

    start = time.perf_counter()
    commands = {"a": python(text), "b": python(text)}
    assert run_side_by_side(commands, 1, show) == {"a": -signal.SIGTERM}
    assert lines == ["[a] here"]
    assert time.perf_counter() - start < SECONDS


@pytest.mark.slow
def test_a_worker_ends_with_its_parent(tmp_path):
    pids = tmp_path / "pid"
    worker = (
        "import os, pathlib, time\n"
        "from keras_rtd.pretraining.workers import end_with_parent\n"
        "end_with_parent()\n"
        f"pathlib.Path({str(pids)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(60)"
    )
    parent = (
        "import sys\n"
        "from keras_rtd.pretraining.workers import run_side_by_side\n"
        f"run_side_by_side({{'a': [sys.executable, '-c', {worker!r}]}}, 1)"
    )
    running = subprocess.Popen(python(parent))
    end = time.perf_counter() + 3 * SECONDS
    while not pids.exists() or not pids.read_text():
        assert time.perf_counter() < end
        time.sleep(0.1)
    running.kill()
    running.wait()
    state = pathlib.Path(f"/proc/{pids.read_text()}")
    while state.exists():
        assert time.perf_counter() < end
        time.sleep(0.1)
