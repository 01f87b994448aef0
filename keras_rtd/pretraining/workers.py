"""Commands side by side, each a process with one core."""

import contextlib
import os
import signal
import subprocess
import threading
import time

PARENT = "KERAS_RTD_PARENT"

# One thread, for each library by its own name.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}

# How often a process that was killed is started again.
RESTARTS = 2


def run_side_by_side(commands, workers, show=print):
    """Runs commands, `workers` at a time, each with a thread of its own core.

    What a process prints is shown with its name in front. One that a signal
    kills is started again, which is for commands that resume. Stopped by
    SIGTERM or Ctrl-C, this stops them by SIGTERM, and waits for them.

    Args:
        commands: dict of name to a list of strings.
        workers: int.
        show: function of a line. Defaults to `print`.

    Returns:
        dict of name to exit status, of those that were started.
    """
    waiting = [(name, RESTARTS) for name in commands]
    running: dict[str, _Worker] = {}
    statuses: dict[str, int] = {}
    cores = _cores(workers)
    with _stops(running) as stopped:
        while running or (waiting and not stopped):
            while waiting and len(running) < workers and not stopped:
                name, restarts = waiting.pop(0)
                core = next(
                    c
                    for c in cores
                    if c not in [w.core for w in running.values()]
                )
                running[name] = _Worker(
                    name, commands[name], core, restarts, show
                )
            for name, worker in list(running.items()):
                status = worker.process.poll()
                if status is None:
                    continue
                worker.reader.join()
                del running[name]
                statuses[name] = status
                if status < 0 and worker.restarts and not stopped:
                    show(f"[{name}] killed by signal {-status}: started again")
                    waiting.insert(0, (name, worker.restarts - 1))
            time.sleep(0.1)
    return statuses


def end_with_parent():
    """In a worker: SIGTERM to this process when its parent has died."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return

    def watch():
        while os.getppid() == int(parent):
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


class _Worker:
    def __init__(self, name, command, core, restarts, show):
        self.core = core
        self.restarts = restarts
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **ONE_THREAD, PARENT: str(os.getpid())},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Ctrl-C reaches the parent alone, which tells the others.
            start_new_session=True,
        )
        if core >= 0:
            # Before it has started any thread: JAX and TensorFlow ask for it.
            with contextlib.suppress(OSError):
                os.sched_setaffinity(self.process.pid, {core})
        self.reader = threading.Thread(
            target=self._read, args=(name, show), daemon=True
        )
        self.reader.start()

    def _read(self, name, show):
        for line in self.process.stdout or ():
            show(f"[{name}] {line.rstrip()}")


def _cores(workers):
    """Numbers of cores, one a worker; negative where there are too few."""
    if not hasattr(os, "sched_getaffinity"):
        return [-1 - i for i in range(workers)]
    cores = sorted(os.sched_getaffinity(0))
    if workers > len(cores):
        return [-1 - i for i in range(workers)]
    return cores[:workers]


@contextlib.contextmanager
def _stops(running):
    """A list that is not empty after SIGTERM or Ctrl-C, which the running
    processes are told."""
    stopped: list[int] = []

    def stop(number, _):
        stopped.append(number)
        for worker in running.values():
            worker.process.terminate()

    old = {n: signal.signal(n, stop) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
