"""Serve models over HTTP.

python -m keras_rtd.serve runs/mine --port 8000
"""

import argparse
import dataclasses
import importlib.util
import ipaddress
import logging
import signal
import socket
import sys

from keras_rtd.serve.requests import Limits
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import check_settings

# The names under which a browser of this machine finds the server.
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def main(argv=None):
    parser = _parser()
    options = parser.parse_args(argv)
    for name in ("starlette", "uvicorn"):
        if importlib.util.find_spec(name) is None:
            install = "pip install 'keras_rtd[serve]'"
            parser.exit(2, f"error: serving needs {name}: {install}\n")
    limits = Limits(
        **{f.name: getattr(options, f.name) for f in dataclasses.fields(Limits)}
    )
    try:
        check_settings(limits)
        # Before the models are loaded, which may take long.
        listener = listen(options.host, options.port)
    except SettingError as e:
        parser.error(f"--{e.name} must be {e.rule}. Received: {e.value!r}")
    except OverflowError:
        parser.error(f"--port must be 0 to 65535. Received: {options.port}")
    except OSError as e:
        parser.exit(
            2,
            f"error: cannot listen on {options.host}:{options.port}: "
            f"{e.strerror}. Choose another --host or --port.\n",
        )
    with listener:
        return _serve(parser, options, limits, listener)


def _serve(parser, options, limits, listener):
    from keras_rtd.serve import guard
    from keras_rtd.serve.app import make_app
    from keras_rtd.serve.batching import Batcher
    from keras_rtd.serve.loading import load_services

    try:
        guard.reserve_files(limits.max_connections)
        services = load_services(options.presets, limits.max_batch)
    except ValueError as e:
        parser.exit(2, f"error: {e}\n")
    print("Compiling …", flush=True)
    for service in services:
        service.warm_up()
    host, port = listener.getsockname()[:2]
    for handler in logging.root.handlers:
        handler.addFilter(guard.OncePerMinute())
    # Uvicorn answers what is in flight, puts these back and raises the signal
    # again: a stop that was asked for is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    batcher = Batcher(limits.max_batch, limits.max_wait_ms, limits.max_queue)
    try:
        server = guard.make_server(
            make_app(services, batcher, limits),
            allowed_hosts(options.host, host, options.allowed_hosts),
            limits,
        )
        _announce(services, host, port)
        server.run(sockets=[listener])
    finally:
        batcher.close()
    return 0


def allowed_hosts(host, address, names):
    """The names in Host headers, of a `host` that turned out as `address`."""
    if names or ipaddress.ip_address(address).is_loopback:
        return [*LOOPBACK, host, *names]
    return ["*"]


def _announce(services, host, port):
    for service in services:
        print(f"/v1/{service.endpoint}: {service.preset}")
    host = f"[{host}]" if ":" in host else host
    print(f"Listening on http://{host}:{port} (Ctrl+C stops it)", flush=True)


def listen(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by name: asyncio then sends small answers at once, where the
    # system would wait 40 ms for more to send with them.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # More than the default: waiting clients belong in our queue.
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m keras_rtd.serve",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "presets",
        nargs="+",
        metavar="preset",
        help="a preset directory, or a run directory; one for each endpoint",
    )
    add = parser.add_argument
    add(
        "--host",
        default="127.0.0.1",
        help="Address to listen on; the default is reached from this machine "
        "only.",
    )
    add(
        "--port",
        type=int,
        default=8000,
        help="TCP port to listen on; 0 takes a free one.",
    )
    add(
        "--allowed_hosts",
        nargs="+",
        default=[],
        metavar="NAME",
        help="Host names under which clients may call the server, such as "
        "models.example.org or *.example.org; other Host headers get 421. "
        "Without it, localhost and the --host are allowed on a loopback "
        "address, and every name on others.",
    )
    for field in dataclasses.fields(Limits):
        add(
            f"--{field.name}",
            type=field.type,
            default=field.default,
            help=field.metadata["help"],
        )
    return parser


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    sys.exit(main())
