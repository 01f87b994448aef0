"""Serve models over HTTP.

python -m keras_rtd.serve runs/mine --port 8000
"""

import argparse
import importlib.util
import logging
import signal
import socket
import sys

from keras_rtd.serve.requests import Limits


def main(argv=None):
    parser = _parser()
    options = parser.parse_args(argv)
    for name in ("starlette", "uvicorn"):
        if importlib.util.find_spec(name) is None:
            install = "pip install 'keras_rtd[serve]'"
            parser.exit(2, f"error: serving needs {name}: {install}\n")
    try:
        # Before the models are loaded, which may take long.
        listener = listen(options.host, options.port)
    except OSError as e:
        parser.exit(
            2,
            f"error: cannot listen on {options.host}:{options.port}: "
            f"{e.strerror}. Choose another --host or --port.\n",
        )
    with listener:
        return _serve(parser, options, listener)


def _serve(parser, options, listener):
    import uvicorn

    from keras_rtd.serve.app import make_app
    from keras_rtd.serve.batching import Batcher
    from keras_rtd.serve.loading import load_services

    try:
        services = load_services(options.presets, options.max_batch)
    except ValueError as e:
        parser.exit(2, f"error: {e}\n")
    print("Compiling …", flush=True)
    for service in services:
        service.warm_up()
    limits = Limits(
        options.max_body_bytes, options.max_texts, options.max_characters
    )
    # Uvicorn answers what is in flight, puts these back and raises the signal
    # again: a stop that was asked for is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    batcher = Batcher(options.max_batch, options.max_wait_ms, options.max_queue)
    try:
        config = uvicorn.Config(
            make_app(services, batcher, limits),
            log_level="warning",
            access_log=False,
        )
        _announce(services, *listener.getsockname()[:2])
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        batcher.close()
    return 0


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


def _number(kind, least, most=None):
    def parse(text):
        value = kind(text)
        if not value >= least or (most is not None and value > most):
            raise ValueError
        return value

    upper = "" if most is None else f" and at most {most}"
    parse.__name__ = f"{kind.__name__} of at least {least}{upper}:"
    return parse


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
    count = _number(int, 1)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=_number(int, 0, 65535), default=8000, help="0: any")
    add("--max_batch", type=count, default=32, help="most rows run together")
    add(
        "--max_wait_ms",
        type=_number(float, 0, 10_000),
        default=5.0,
        help="how long a row waits for others to run with it",
    )
    add(
        "--max_queue",
        type=count,
        default=1024,
        help="waiting rows beyond which requests are answered with 503",
    )
    add(
        "--max_texts",
        type=count,
        default=Limits.max_texts,
        help="texts in a request",
    )
    add(
        "--max_characters",
        type=count,
        default=Limits.max_characters,
        help="characters of a text",
    )
    add(
        "--max_body_bytes",
        type=count,
        default=Limits.max_body_bytes,
        help="bytes of a request",
    )
    return parser


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    sys.exit(main())
