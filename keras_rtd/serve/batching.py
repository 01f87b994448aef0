"""Rows of concurrent requests, run together by one thread."""

import collections
import concurrent.futures
import logging
import threading
import time
from typing import Any
from typing import NamedTuple

logger = logging.getLogger(__name__)


class QueueFull(Exception):
    """More rows wait than the queue is meant to hold."""


class Row(NamedTuple):
    """One row of a batch.

    Args:
        key: hashable. Rows of one key may run together.
        value: what the service's `run` takes.
    """

    key: Any
    value: Any


class _Job:
    """The rows of one request."""

    def __init__(self, service, count):
        self.service = service
        self.future: concurrent.futures.Future = concurrent.futures.Future()
        self.results = [None] * count
        self.left = count

    def put(self, index, result):
        self.results[index] = result
        self.left -= 1
        if not self.left and not self.future.done():
            self.future.set_result(self.results)

    def fail(self, error):
        if not self.future.done():
            self.future.set_exception(error)


class Batcher:
    """A queue of rows and the thread that runs them through the models.

    Only that thread touches a model, so models need not be thread-safe. It
    takes the oldest row and others of its key, first come, first served.

    Args:
        max_batch: int. Rows in a batch. Defaults to 32.
        max_wait_ms: float. How long a row waits for others to run with it.
            Defaults to 5.
        max_queue: int. Waiting rows beyond which requests are refused.
            Defaults to 1024.
    """

    def __init__(self, max_batch=32, max_wait_ms=5, max_queue=1024):
        self.max_batch = max_batch
        self.max_queue = max_queue
        self._max_wait = max_wait_ms / 1000
        self._queue: collections.deque = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="model")
        self._thread.start()

    @property
    def waiting(self):
        """Number of rows that wait: an int."""
        return len(self._queue)

    def submit(self, service, rows):
        """Queue the rows of one request.

        Args:
            service: has `run(key, values)`, which gives a result for each of
                the values.
            rows: list of `Row`.

        Returns:
            `concurrent.futures.Future` of the list of results.

        Raises:
            QueueFull: the queue is full, or closed.
        """
        job = _Job(service, len(rows))
        with self._changed:
            # By what waits already: a request of many rows gets its turn.
            if self._closed or len(self._queue) >= self.max_queue:
                raise QueueFull
            self._queue.extend((job, i, row) for i, row in enumerate(rows))
            self._changed.notify()
        if not rows:
            job.future.set_result([])
        return job.future

    def close(self):
        """Run what waits, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self):
        while batch := self._take():
            service, key = batch[0][0].service, batch[0][2].key
            try:
                results = service.run(key, [row.value for _, _, row in batch])
            except Exception as error:
                logger.exception("A batch of %d rows failed", len(batch))
                for job, _, _ in batch:
                    job.fail(error)
                continue
            for (job, index, _), result in zip(batch, results, strict=True):
                job.put(index, result)

    def _take(self):
        with self._changed:
            while not self._queue:
                if self._closed:
                    return None
                self._changed.wait()
            deadline = time.monotonic() + self._max_wait
            while len(self._queue) < self.max_batch and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            first, _, row = self._queue[0]
            batch: list = []
            others: collections.deque = collections.deque()
            for entry in self._queue:
                if (
                    len(batch) < self.max_batch
                    and entry[0].service is first.service
                    and entry[2].key == row.key
                ):
                    batch.append(entry)
                else:
                    others.append(entry)
            self._queue = others
            return batch
