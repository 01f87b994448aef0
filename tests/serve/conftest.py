"""Servers on sockets of this machine."""

import contextlib
import threading

import pytest
from client import Client

from keras_rtd.serve.batching import Batcher
from keras_rtd.serve.requests import Limits

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


@pytest.fixture
def start_server():
    """A function from services and options to a `Client`."""
    from keras_rtd.serve.__main__ import listen
    from keras_rtd.serve.app import make_app
    from keras_rtd.serve.guard import make_server

    with contextlib.ExitStack() as stack:

        def start(services, limits=None, guard=None, **options):
            batcher = Batcher(**options)
            app = make_app(services, batcher, limits or Limits())
            server = make_server(app, **(guard or {}))
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
