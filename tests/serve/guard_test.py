"""Clients that send nothing, too much, or under a strange name."""

import contextlib
import json
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from keras_rtd.serve import guard
from keras_rtd.serve.__main__ import allowed_hosts
from keras_rtd.serve.requests import Limits

HEAD = b"POST /v1/detect HTTP/1.1\r\nHost: 127.0.0.1\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def opened():
    """A function that opens a connection to a client's server."""
    with contextlib.ExitStack() as stack:

        def connect(client, data=b""):
            sock = socket.create_connection(("127.0.0.1", client.port), 30)
            stack.enter_context(sock)
            sock.sendall(data)
            return sock

        yield connect


@pytest.fixture
def log():
    """The records that pass the filter of the command."""
    records = []

    class Handler(logging.Handler):
        def emit(self, record):
            records.append(record.getMessage())

    handler = Handler()
    handler.addFilter(guard.OncePerMinute())
    logging.root.addHandler(handler)
    yield records
    logging.root.removeHandler(handler)


def read_all(sock):
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def error_of(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Type: application/json" in head
    assert b"Connection: close" in head
    return int(head.split()[1]), json.loads(body)["error"]


@pytest.mark.parametrize(
    "data",
    [b"", b"GET / HT", HEAD, HEAD + b'Content-Length: 9\r\n\r\n{"te'],
    ids=["nothing", "line", "headers", "body"],
)
def test_a_half_sent_request_is_closed(start_server, reverse, opened, data):
    client = start_server([reverse], Limits(max_read_s=0.3))
    status, message = error_of(read_all(opened(client, data)))
    assert status == 408 and "0.3 s (--max_read_s)" in message
    assert client.json("GET", "/health")[0] == 200


def test_sending_slowly_gives_no_more_time(start_server, reverse, opened):
    client = start_server([reverse], Limits(max_read_s=0.3))
    sock = opened(client, HEAD + b"X: ")
    start = time.monotonic()
    with pytest.raises(ConnectionError):
        while time.monotonic() < start + 20:
            sock.sendall(b"x")
            time.sleep(0.02)


def test_the_second_request_of_a_connection_has_no_more_time(
    start_server, reverse, opened
):
    client = start_server([reverse], Limits(max_read_s=0.3))
    answer = read_all(opened(client, HEALTH + HEAD))
    # One answer: a second would be taken for that of the next request.
    assert answer.count(b"HTTP/1.1") == 1 and answer.endswith(b"}")


def test_an_answer_may_take_longer_than_a_request(start_server, reverse):
    client = start_server([reverse], Limits(max_read_s=0.2))
    reverse.may_run.clear()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(client.post, "detect", {"texts": ["ab"]})
        time.sleep(0.6)
        reverse.may_run.set()
        assert future.result() == (200, {"results": ["ba"]})


def test_an_answer_that_is_not_read_is_dropped(start_server, reverse, opened):
    reverse.finish = lambda results: {"results": "x" * 30_000_000}
    client = start_server([reverse], Limits(max_read_s=0.5))
    body = b'{"texts": ["a"]}'
    request = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    sock = opened(client, request)
    assert sock.recv(4) == b"HTTP"
    time.sleep(1.5)
    assert len(read_all(sock)) < 30_000_000


def test_more_requests_than_the_limit_get_503(start_server, reverse, log):
    client = start_server([reverse], Limits(max_connections=2))
    reverse.may_run.clear()
    with ThreadPoolExecutor(2) as pool:
        futures = [
            pool.submit(client.post, "detect", {"texts": [text]})
            for text in ("ab", "abc")
        ]
        # One runs and one waits.
        assert reverse.runs.wait(30)
        while client.json("GET", "/health")[1]["waiting"] < 1:
            assert not any(future.done() for future in futures)
        for _ in range(5):
            # Without texts, so that nothing waits for the model.
            status, headers, body = client.send(
                "POST", "/v1/detect", b'{"texts": []}'
            )
            assert status == 503 and headers["Retry-After"] == "1"
            assert "2 requests" in body.decode()
            assert "--max_connections" in body.decode()
        reverse.may_run.set()
        assert [future.result()[0] for future in futures] == [200, 200]
    assert client.post("detect", {"texts": ["ab"]})[0] == 200
    assert len(log) == 1 and "--max_connections" in log[0]


@pytest.mark.parametrize("sent", [HEAD, HEAD + b"Content-Length: 9\r\n\r\n{"])
def test_connections_that_send_half_keep_nobody_out(
    start_server, reverse, opened, log, monkeypatch, sent
):
    monkeypatch.setattr(guard, "SPARE", 6)
    client = start_server([reverse], Limits(max_connections=2))
    socks = [opened(client, sent) for _ in range(30)]
    for _ in range(5):
        assert client.post("detect", {"texts": ["ab"]})[0] == 200
    # The oldest made room.
    status, message = error_of(read_all(socks[0]))
    assert status == 503 and "--max_connections" in message
    assert len(log) == 1 and "More than 8 connections" in log[0]
    # The newest were left alone.
    for sock in socks[-6:]:
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)


@pytest.mark.parametrize(
    "host, status",
    [
        ("127.0.0.1", 200),
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("evil.example:8000", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1@evil.example", 421),
        ("", 421),
    ],
)
def test_other_names_are_refused_on_loopback(
    start_server, reverse, host, status
):
    names = allowed_hosts("127.0.0.1", "127.0.0.1", [])
    client = start_server([reverse], hosts=names)
    for method, path in (("GET", "/"), ("POST", "/v1/detect")):
        found, headers, body = client.send(
            method, path, b'{"texts": []}', {"Host": host}
        )
        assert found == status
        if status == 421:
            assert headers["Content-Type"] == "application/json"
            assert "--allowed_hosts" in json.loads(body)["error"]


def test_names_can_be_allowed(start_server, reverse):
    names = allowed_hosts("0.0.0.0", "0.0.0.0", ["a.example", "*.b.example"])
    client = start_server([reverse], hosts=names)
    for host, status in (
        ("a.example:80", 200),
        ("x.b.example", 200),
        ("localhost", 200),
        ("x.a.example", 421),
        ("b.example", 421),
    ):
        assert client.send("GET", "/", None, {"Host": host})[0] == status
    # Who listens for others and names nobody lets everybody in.
    assert allowed_hosts("0.0.0.0", "0.0.0.0", []) == ["*"]
    assert "evil.example" not in allowed_hosts("localhost", "::1", [])


def test_a_line_is_logged_once_a_minute(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(guard.time, "monotonic", lambda: now[0])
    only = guard.OncePerMinute()

    def record(line, text):
        return logging.LogRecord("a", 30, "f.py", line, "%s!", (text,), None)

    assert only.filter(record(1, "first"))
    assert not only.filter(record(1, "second"))
    assert only.filter(record(2, "elsewhere"))
    now[0] += 59
    assert not only.filter(record(1, "third"))
    now[0] += 2
    fourth = record(1, "fourth")
    assert only.filter(fourth)
    assert fourth.getMessage() == "fourth! (2 more before it)"
