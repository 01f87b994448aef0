"""Environments of the processes of one run, on this machine."""

import json
import os
import pathlib
import socket

TESTS = pathlib.Path(__file__).parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environments(strategy, processes):
    """What each process is told."""
    common = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}",
    }
    port = free_port()
    if strategy == "auto":
        # What a launcher of the backend says of its processes.
        strategy = {
            "tensorflow": "multi_worker",
            "jax": "data_parallel",
            "torch": "ddp",
        }[common["KERAS_BACKEND"]]
    for i in range(processes):
        own = {}
        if strategy == "ddp":
            own = {
                "RANK": str(i),
                "WORLD_SIZE": str(processes),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }
        elif strategy in ("data_parallel", "model_parallel"):
            if processes > 1:
                own = {
                    "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
                    "JAX_NUM_PROCESSES": str(processes),
                    "JAX_PROCESS_ID": str(i),
                }
        elif strategy == "multi_worker":
            hosts = [f"127.0.0.1:{port}"]
            hosts += [f"127.0.0.1:{free_port()}" for _ in range(processes - 1)]
            if i:
                hosts = common["HOSTS"].split()
            common["HOSTS"] = " ".join(hosts)
            task = {"type": "worker", "index": i}
            own["TF_CONFIG"] = json.dumps(
                {"cluster": {"worker": hosts}, "task": task}
            )
        yield {**common, **own}
