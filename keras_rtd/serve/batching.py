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
    """The queue has no room for the rows of a request."""


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

    def __init__(self, service, rows):
        self.service = service
        self.future: concurrent.futures.Future = concurrent.futures.Future()
        self.results = [None] * len(rows)
        self.left = len(rows)
        # Those that wait: queues of (index, value), by key.
        self.rows: dict[Any, collections.deque] = {}
        for index, (key, value) in enumerate(rows):
            queue = self.rows.setdefault(key, collections.deque())
            queue.append((index, value))

    def put(self, index, result):
        self.results[index] = result
        self.left -= 1
        if not self.left and not self.future.done():
            self.future.set_result(self.results)

    def fail(self, error):
        if not self.future.done():
            self.future.set_exception(error)


class Batcher:
    """A queue of requests and the thread that runs their rows.

    Only that thread touches a model, so models need not be thread-safe.
    Requests take turns: a batch has the key of the first request, and one row
    of each request in turn until it is full. Requests with more rows then wait
    behind those that came while the batch ran, so that a request waits for one
    batch of a longer one, not for all.

    Args:
        max_batch: int. Rows in a batch. Defaults to 32.
        max_wait_ms: float. How long a row waits for others to run with it.
            Defaults to 5.
        max_queue: int. Rows that may wait. A request for whose rows there is
            no room is refused, unless the queue is empty. Defaults to 1024.
    """

    def __init__(self, max_batch=32, max_wait_ms=5, max_queue=1024):
        self.max_batch = max_batch
        self.max_queue = max_queue
        self._max_wait = max_wait_ms / 1000
        self._jobs: list[_Job] = []
        self._waiting = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="model")
        self._thread.start()

    @property
    def waiting(self):
        """Number of rows that wait: an int."""
        return self._waiting

    def submit(self, service, rows):
        """Queue the rows of one request.

        Args:
            service: has `run(key, values)`, which gives a result for each of
                the values.
            rows: list of `Row`.

        Returns:
            `concurrent.futures.Future` of the list of results.

        Raises:
            QueueFull: the queue has no room for the rows, or is closed.
        """
        job = _Job(service, rows)
        with self._changed:
            full = self._waiting + len(rows) > self.max_queue
            if self._closed or (full and self._waiting):
                raise QueueFull
            if rows:
                self._jobs.append(job)
            self._waiting += len(rows)
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
        while taken := self._take():
            service, key, batch = taken
            try:
                results = service.run(key, [value for *_, value in batch])
            except Exception as error:
                logger.exception("A batch of %d rows failed", len(batch))
                for job, *_ in batch:
                    job.fail(error)
            else:
                for (job, index, _), result in zip(batch, results, strict=True):
                    job.put(index, result)
            self._put_back({job for job, *_ in batch})

    def _take(self):
        """(service, key, rows) of the next batch; `None` after the last."""
        with self._changed:
            while not self._jobs:
                if self._closed:
                    return None
                self._changed.wait()
            deadline = time.monotonic() + self._max_wait
            while self._waiting < self.max_batch and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            service = self._jobs[0].service
            key = next(iter(self._jobs[0].rows))
            turns = collections.deque(
                job
                for job in self._jobs
                if job.service is service and key in job.rows
            )
            batch: list[tuple] = []
            while turns and len(batch) < self.max_batch:
                job = turns.popleft()
                batch.append((job, *job.rows[key].popleft()))
                if job.rows[key]:
                    turns.append(job)
                else:
                    del job.rows[key]
            self._waiting -= len(batch)
            return service, key, batch

    def _put_back(self, ran):
        """The jobs of a batch go behind those that came while it ran."""
        with self._changed:
            for job in ran:
                if job.future.done():
                    # Of a job that failed, the rest is not run.
                    self._waiting -= sum(map(len, job.rows.values()))
                    job.rows.clear()
            self._jobs = [job for job in self._jobs if job not in ran] + [
                job for job in self._jobs if job in ran and job.rows
            ]
