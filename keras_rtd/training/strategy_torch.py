"""Data parallelism over PyTorch's processes, one a device."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import torch
from torch import distributed

from keras_rtd.training.strategy import Strategy
from keras_rtd.training.strategy import StrategyError
from keras_rtd.utils import replicas_torch

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# How many processes `auto` starts, in place of one for each GPU.
PROCESSES = "KERAS_RTD_PROCESSES"
# Seconds for which the others may save and end when one process has failed.
GRACE = 120


def automatic():
    """Name of the strategy that uses all there is."""
    if all(name in os.environ for name in VARIABLES):
        return "ddp"
    if torch.cuda.device_count() > 1:
        print(
            f"note: one of {torch.cuda.device_count()} GPUs is used. Start the "
            "program with torchrun --nproc_per_node=gpu for all of them."
        )
    return "single"


def start_processes():
    """Run this program's own command line once for each GPU of this host.

    Signals go on to all of them.

    Returns:
        int, the exit status of the process that failed first, else 0; `None`
        with at most one GPU, or in a process that is one of several.
    """
    given = os.environ.get(PROCESSES) or str(torch.cuda.device_count())
    if not given.isdigit():
        sys.exit(f"error: {PROCESSES} must be a number. Received: {given!r}")
    count = int(given)
    if count < 2 or any(name in os.environ for name in VARIABLES[:2]):
        return None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threads = str(max(1, (os.cpu_count() or 1) // count))
    common = {
        "OMP_NUM_THREADS": threads,
        **os.environ,
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    print(f"starting {count} processes on this host", flush=True)
    running: list[subprocess.Popen[bytes]] = []
    with _passed_on(running):
        for i in range(count):
            process = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]],
                env={**common, "RANK": str(i), "LOCAL_RANK": str(i)},
                # A terminal's Ctrl-C would reach them twice.
                start_new_session=True,
            )
            running.append(process)
        return _wait(running)


@contextlib.contextmanager
def _passed_on(running):
    """Signals that end this process reach all others instead."""

    def pass_on(number, frame):
        for process in running:
            process.send_signal(number)

    before = {
        number: signal.signal(number, pass_on)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        # As under nohup.
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(running):
    """Status of the first that fails, else 0."""
    status, deadline = 0, None
    left = list(running)
    while left and (deadline is None or time.monotonic() < deadline):
        for process in list(left):
            if process.poll() is None:
                continue
            left.remove(process)
            if process.returncode and not status:
                # As a shell has it of a process that a signal ended.
                code = process.returncode
                status = code if code > 0 else 128 - code
                deadline = time.monotonic() + GRACE
        time.sleep(0.1)
    return status


class Ddp(Strategy):
    """Processes of torchrun: NCCL between GPUs, gloo between CPUs."""

    name = "ddp"
    lost_errors = (RuntimeError,)

    def __init__(self, **options):
        super().__init__()
        missing = [name for name in VARIABLES if name not in os.environ]
        if missing:
            raise StrategyError(
                "The strategy 'ddp' is started by torchrun, one process a "
                "device: torchrun --nproc_per_node=8 recipes/… "
                f"--strategy=ddp. Missing: {', '.join(missing)}"
            )
        self._made_group = not distributed.is_initialized()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        if self._made_group:
            distributed.init_process_group(
                "nccl" if torch.cuda.is_available() else "gloo"
            )
        self.worker = distributed.get_rank()
        self.workers = self.replicas = distributed.get_world_size()

    def devices(self):
        kind = "CPU"
        if torch.cuda.is_available():
            kind = torch.cuda.get_device_name()
        return f"{self.workers} {kind} processes"

    def after_restore(self, model):
        # Only process 0 is sure to see the checkpoint.
        variables = list(model.variables)
        if model.optimizer is not None:
            variables += model.optimizer.variables
        replicas_torch.copy_from_first(variables)

    def is_loss(self, error):
        words = ("gloo", "nccl", "connection", "distributed", "socket")
        return any(word in str(error).lower() for word in words)

    def any(self, flag):
        (total,) = replicas_torch.total([torch.tensor(int(flag))])
        return bool(total)

    def close(self):
        if self._made_group and distributed.is_initialized():
            distributed.destroy_process_group()
