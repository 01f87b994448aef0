"""`python -m keras_rtd.serve` from start to stop."""

import concurrent.futures
import contextlib
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
import tiny
from client import Client

from keras_rtd.serve import __main__ as command

COMMAND = [sys.executable, "-m", "keras_rtd.serve"]


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    tiny.pretrainer(with_tokenizer=True).save_to_preset(str(folder))
    return folder


@contextlib.contextmanager
def running(*arguments):
    """A server's process and a `Client` of it."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments), "--port=0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        found = None
        for line in process.stdout:
            found = re.search(r"Listening on http://127.0.0.1:(\d+)", line)
            if found:
                break
        assert found, process.wait(60)
        yield process, Client(int(found.group(1)))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_server_answers_what_is_in_flight(preset, number):
    count = 20
    # Rows wait for others so long that the signal comes before them.
    options = "--max_wait_ms=3000", "--max_batch=64"
    with running(preset, *options) as (process, client):
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            answers = [
                pool.submit(client.post, "detect", {"texts": ["the time"]})
                for _ in range(count)
            ]
            while client.json("GET", "/health")[1]["waiting"] < count:
                time.sleep(0.01)
            process.send_signal(number)
            for future in answers:
                status, answer = future.result()
                assert status == 200
                assert answer["results"][0]["tokens"] == ["the", "time"]
        assert process.wait(30) == 0
        with pytest.raises(ConnectionError):
            client.json("GET", "/health")


def test_small_answers_are_sent_at_once():
    # What asyncio looks at before it sets TCP_NODELAY.
    with command.listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def failure(capsys, *arguments):
    with pytest.raises(SystemExit) as e:
        command.main(list(map(str, arguments)))
    assert e.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_bad_arguments_end_with_a_line(preset, capsys, tmp_path):
    assert "--port" in failure(capsys, preset, "--port=70000")
    assert "at least 1" in failure(capsys, preset, "--max_batch=0")
    assert "--max_rows" in failure(capsys, preset, "--max_rows=x")
    assert "--max_wait_ms" in failure(capsys, preset, "--max_wait_ms=nan")
    assert "No preset" in failure(capsys, tmp_path / "none", "--port=0")
    line = failure(capsys, preset, "--port=0", "--max_connections=100000000")
    assert "needs 100,000,512 open files" in line and "ulimit" in line
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = failure(capsys, preset, f"--port={port}")
    assert f"cannot listen on 127.0.0.1:{port}: Address already" in line
    line = failure(capsys, preset, "--host=no.such.host.invalid")
    assert "cannot listen on no.such.host.invalid" in line


def test_missing_packages_are_named(preset, capsys, monkeypatch):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'keras_rtd[serve]'" in failure(capsys, preset)
