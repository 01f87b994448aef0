"""Serve models over HTTP.

python -m keras_rtd.serve runs/mine --port 8000
"""

import argparse
import importlib.util
import ipaddress
import logging
import signal
import socket
import sys

from keras_rtd.serve.requests import Limits

# The names under which a browser of this machine finds the server.
LOOPBACK = ("localhost", "127.0.0.1", "::1")


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
    from keras_rtd.serve import guard
    from keras_rtd.serve.app import make_app
    from keras_rtd.serve.batching import Batcher
    from keras_rtd.serve.loading import load_services

    try:
        guard.reserve_files(options.max_connections)
        services = load_services(options.presets, options.max_batch)
    except ValueError as e:
        parser.exit(2, f"error: {e}\n")
    print("Compiling …", flush=True)
    for service in services:
        service.warm_up()
    limits = Limits(**{name: getattr(options, name) for name in vars(Limits())})
    host, port = listener.getsockname()[:2]
    for handler in logging.root.handlers:
        handler.addFilter(guard.OncePerMinute())
    # Uvicorn answers what is in flight, puts these back and raises the signal
    # again: a stop that was asked for is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    batcher = Batcher(options.max_batch, options.max_wait_ms, options.max_queue)
    try:
        server = guard.make_server(
            make_app(services, batcher, limits, options.max_connections),
            allowed_hosts(options.host, host, options.allowed_hosts),
            options.max_connections,
            options.max_read_s,
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
    count, seconds = _number(int, 1), _number(float, 0.1, 3600)
    add = parser.add_argument
    add(
        "--host",
        default="127.0.0.1",
        help="Address to listen on; the default is reached from this machine "
        "only.",
    )
    add(
        "--port",
        type=_number(int, 0, 65535),
        default=8000,
        help="TCP port to listen on; 0 takes a free one.",
    )
    add(
        "--allowed_hosts",
        nargs="+",
        default=[],
        metavar="name",
        help="Host names under which clients may call the server, such as "
        "models.example.org or *.example.org; other Host headers get 421. On "
        "a loopback address localhost and the --host are allowed without it, "
        "on other addresses every name is.",
    )
    for name, kind, default, text in (
        ("max_batch", count, 32, "Number of rows that run together."),
        (
            "max_wait_ms",
            _number(float, 0, 10_000),
            5.0,
            "Milliseconds that a row waits for others to run with it.",
        ),
        (
            "max_queue",
            count,
            1024,
            "Number of rows that may wait; a request for whose rows there is "
            "no room gets 503.",
        ),
        (
            "max_connections",
            count,
            384,
            "Number of requests that are answered at the same time; more get "
            "503.",
        ),
        (
            "max_read_s",
            seconds,
            15.0,
            "Seconds in which a request, headers and body, must have arrived; "
            "a later one gets 408.",
        ),
        (
            "max_texts",
            count,
            Limits.max_texts,
            "Number of texts, or pairs of texts, in a request; more get 422.",
        ),
        (
            "max_characters",
            count,
            Limits.max_characters,
            "Number of characters of a text; longer ones get 422.",
        ),
        (
            "max_body_bytes",
            count,
            Limits.max_body_bytes,
            "Size of a request in bytes; larger ones get 413.",
        ),
        (
            "max_rows",
            count,
            Limits.max_rows,
            "Number of rows of the model that the texts of a request may make "
            "together; more get 413.",
        ),
        (
            "max_tokens",
            count,
            Limits.max_tokens,
            "Number of tokens in the rows of a request; more get 413.",
        ),
    ):
        add(f"--{name}", type=kind, default=default, help=text)
    return parser


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    sys.exit(main())
