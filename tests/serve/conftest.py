"""Servers on sockets of this machine."""

import contextlib
import threading

import pytest
from client import Client

from keras_rtd.serve.batching import Batcher
from keras_rtd.serve.batching import Row
from keras_rtd.serve.requests import Limits
from keras_rtd.serve.requests import read_texts

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


class Reverse:
    """Turns texts around, when it may; rows of one length run together."""

    endpoint = "detect"
    preset = "none"

    def __init__(self):
        self.may_run = threading.Event()
        self.may_run.set()
        self.runs = threading.Event()
        self.keys = []
        self.batches = []

    def describe(self):
        return {"task": "Reverse"}

    def prepare(self, body, limits):
        texts = read_texts(body, limits)
        return [Row(len(text), text) for text in texts], self.finish

    def finish(self, results):
        return {"results": results}

    def run(self, key, values):
        self.runs.set()
        assert self.may_run.wait(30)
        assert all(len(value) == key for value in values)
        self.keys.append(key)
        self.batches.append(len(values))
        if "fail" in values:
            raise RuntimeError("the model broke")
        return [value[::-1] for value in values]


@pytest.fixture
def reverse():
    return Reverse()


@pytest.fixture
def start_server():
    """A function from services and options to a `Client`."""
    from keras_rtd.serve.__main__ import listen
    from keras_rtd.serve.app import make_app
    from keras_rtd.serve.guard import make_server

    with contextlib.ExitStack() as stack:

        def start(services, limits=None, hosts=("127.0.0.1",), **options):
            batcher = Batcher(**options)
            limits = limits or Limits()
            app = make_app(services, batcher, limits)
            server = make_server(app, hosts, limits)
            listener = stack.enter_context(listen("127.0.0.1", 0))
            thread = threading.Thread(
                target=server.run, kwargs={"sockets": [listener]}
            )
            thread.start()

            def stop():
                server.should_exit = True
                thread.join(30)
                batcher.close()
                assert not thread.is_alive()

            stack.callback(stop)
            return Client(listener.getsockname()[1])

        yield start
