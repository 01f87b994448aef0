"""Requests take turns in the model."""

import collections
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from keras_rtd.serve.batching import Batcher
from keras_rtd.serve.batching import QueueFull
from keras_rtd.serve.batching import Row
from keras_rtd.serve.requests import Limits


class Recorder:
    """Keeps the batches; runs one each time it may."""

    def __init__(self):
        self.may_run = threading.Semaphore(0)
        self.runs = threading.Event()
        self.batches = []
        self.meanwhile = collections.deque()

    def run(self, key, values):
        self.batches.append(values)
        self.runs.set()
        assert self.may_run.acquire(timeout=30)
        if self.meanwhile:
            self.meanwhile.popleft()()
        if "fail" in values:
            raise RuntimeError("the model broke")
        return values


@pytest.fixture
def service():
    return Recorder()


@pytest.fixture
def batcher(service):
    batcher = Batcher(max_batch=4, max_wait_ms=0, max_queue=100)
    yield batcher
    service.may_run.release(1000)
    batcher.close()


def rows(name, count, key=0):
    return [Row(key, f"{name}{i}") for i in range(count)]


def eventually(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begin(batcher, service, wanted):
    """Submit while the first batch runs what comes after it."""
    future = batcher.submit(service, wanted)
    assert service.runs.wait(30)
    return future


def test_a_short_request_waits_for_one_batch_of_a_long_one(batcher, service):
    long = begin(batcher, service, rows("long", 40))
    short = batcher.submit(service, rows("short", 1, key=1))
    service.may_run.release(2)
    assert short.result(30) == ["short0"]
    assert not long.done()
    service.may_run.release(9)
    assert long.result(30) == [f"long{i}" for i in range(40)]
    assert list(map(len, service.batches)) == [4, 1, *[4] * 9]


def test_rows_of_one_length_share_batches(batcher, service):
    long = begin(batcher, service, rows("long", 40))
    short = [batcher.submit(service, rows(name, 2)) for name in "abc"]
    service.may_run.release(20)
    assert [f.result(30) for f in short] == [
        ["a0", "a1"],
        ["b0", "b1"],
        ["c0", "c1"],
    ]
    assert len(long.result(30)) == 40
    # The long one takes its turn beside those that came while it ran.
    assert service.batches[1:3] == [
        ["a0", "b0", "c0", "long4"],
        ["a1", "b1", "c1", "long5"],
    ]
    assert list(map(len, service.batches)) == [*[4] * 11, 2]


def test_short_ones_without_end_do_not_stop_a_long_one(batcher, service):
    for i in range(20):
        service.meanwhile.append(
            lambda i=i: batcher.submit(service, rows(f"short{i}-", 4, key=1))
        )
    long = begin(batcher, service, rows("long", 12))
    service.may_run.release(6)
    assert len(long.result(30)) == 12
    assert [batch[0][:4] for batch in service.batches[:5]] == [
        "long",
        "shor",
        "long",
        "shor",
        "long",
    ]


def test_of_a_failed_request_the_rest_is_not_run(batcher, service):
    failed = begin(batcher, service, [Row(0, "fail"), *rows("rest", 39)])
    other = batcher.submit(service, rows("other", 1))
    assert batcher.waiting == 37
    service.may_run.release(2)
    with pytest.raises(RuntimeError):
        failed.result(30)
    assert other.result(30) == ["other0"]
    assert service.batches[1:] == [["other0"]]
    assert batcher.waiting == 0


def test_a_queue_without_room_for_a_long_request_takes_short_ones(
    batcher, service
):
    # Into an empty queue goes what is longer than it.
    begin(batcher, service, rows("long", 150))
    with pytest.raises(QueueFull):
        batcher.submit(service, rows("short", 1))
    service.may_run.release(14)
    eventually(lambda: batcher.waiting == 90)
    with pytest.raises(QueueFull):
        batcher.submit(service, rows("long", 11))
    batcher.submit(service, rows("short", 10))


def test_small_requests_are_answered_beside_a_large_one(start_server, reverse):
    batches = threading.Semaphore(0)
    reverse.may_run.wait = lambda seconds: batches.acquire(timeout=seconds)
    client = start_server([reverse], max_batch=4, max_wait_ms=0)

    def post(*texts):
        return client.post("detect", {"texts": texts})[0]

    def waiting():
        return client.json("GET", "/health")[1]["waiting"]

    with ThreadPoolExecutor(4) as pool:
        large = pool.submit(post, *["big"] * 64)
        eventually(lambda: waiting() == 60)
        small = [pool.submit(post, "small") for _ in range(3)]
        eventually(lambda: waiting() == 63)
        batches.release(2)
        assert [future.result(30) for future in small] == [200] * 3
        assert not large.done()
        batches.release(15)
        assert large.result(30) == 200
    # After the batch that ran, one with all small ones, and then the rest.
    assert reverse.keys == [3, 5, *[3] * 15]


def test_large_bodies_are_answered_as_small_ones(start_server, reverse):
    client = start_server([reverse], Limits(max_characters=9000))
    for text in ("ab" * 10, "ab" * 4000):
        body = {"texts": [text]}
        assert client.post("detect", body) == (200, {"results": [text[::-1]]})
    status, answer = client.post("detect", {"texts": ["a" * 9001]})
    assert status == 422 and "--max_characters" in json.dumps(answer)
