"""A uvicorn server of which no client can keep others out."""

import fnmatch
import functools
import json
import logging
import re
import resource
import time
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from keras_rtd.serve.app import error_response

logger = logging.getLogger(__name__)

# Connections beyond `max_connections` that may be open: they send or idle.
SPARE = 128

# Connections that asyncio accepts in one go; up to four such goes are open
# before the first of them can be closed.
BACKLOG = 64

# Files of the process that are no connections.
OTHER_FILES = 128


def make_server(app, allowed_hosts, limits):
    """The server of an application; `run(sockets=[...])` runs it.

    Args:
        app: ASGI application.
        allowed_hosts: list of string. Names that a Host header may have,
            without port; `*` stands for anything.
        limits: `Limits`.

    Returns:
        `uvicorn.Server`.
    """
    # Called as the class is.
    connection: Any = functools.partial(
        _Connection,
        most=limits.max_connections + SPARE,
        seconds=limits.max_read_s,
        incomplete={},
    )
    return _Server(
        uvicorn.Config(
            _Hosts(app, allowed_hosts),
            http=connection,
            # Another protocol would take its connections out of the count.
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            backlog=BACKLOG,
        )
    )


def reserve_files(max_connections):
    """Raise what the system lets this process open, where it must be.

    Raises:
        ValueError: `max_connections` needs more than the system allows.
    """
    files = max_connections + SPARE + 4 * BACKLOG + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < files:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        except ValueError:
            raise ValueError(
                f"--max_connections={max_connections} needs {files:,} open "
                f"files; the system allows {hard:,} (`ulimit -n`). Choose a "
                "smaller --max_connections."
            ) from None


class _Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        for listener in sockets:
            # What the system holds; asyncio has set it to `BACKLOG`.
            listener.listen(2048)


class _Hosts:
    """Refuses requests under other names, as Starlette's
    `TrustedHostMiddleware` does, but in JSON and naming the option."""

    def __init__(self, app, allowed):
        self.app = app
        self.allowed = [host.strip("[]").lower() for host in allowed]

    async def __call__(self, scope, receive, send):
        app = self.app
        if scope["type"] == "http":
            header = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
            host = re.sub(r":\d*$", "", header).strip("[]").lower()
            if not any(
                fnmatch.fnmatchcase(host, name) for name in self.allowed
            ):
                # A page may have made its own name resolve to this machine.
                app = error_response(
                    421,
                    f"The Host header {host[:100]!r} is none of "
                    f"--allowed_hosts: {', '.join(self.allowed)}. Start the "
                    "server with --allowed_hosts to use other names.",
                )
        await app(scope, receive, send)


class _Connection(H11Protocol):
    """A connection that may be incomplete for some seconds only.

    It is so while no whole request has arrived, or an answer is not read.
    Uvicorn has a timeout between requests only, and its `limit_concurrency`
    refuses everyone when enough connections send nothing. Here the one that
    has been incomplete for longest makes room.

    Args:
        most: int. Open connections.
        seconds: float. Time that a connection may be incomplete.
        incomplete: dict. Of all connections, those that are, oldest first.
    """

    def __init__(self, *args, most, seconds, incomplete, **kwargs):
        super().__init__(*args, **kwargs)
        self._most = most
        self._seconds = seconds
        self._incomplete = incomplete
        self._timer = None

    def connection_made(self, transport):
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > self._most:
            logger.warning(
                "More than %d connections are open (--max_connections and %d "
                "to spare): closing those that send nothing.",
                self._most,
                SPARE,
            )
            next(iter(self._incomplete)).refuse(
                503,
                f"More than {self._most:,} connections are open "
                "(--max_connections). Try again in a second.",
            )

    def data_received(self, data):
        super().data_received(data)
        self._watch()

    def on_response_complete(self):
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc):
        self._forget()
        super().connection_lost(exc)

    def _watch(self):
        cycle = self.cycle
        if cycle and not cycle.more_body and not cycle.response_complete:
            self._forget()
        elif self._timer is None:
            self._incomplete[self] = None
            self._timer = self.loop.call_later(
                self._seconds,
                self.refuse,
                408,
                f"The request did not arrive within {self._seconds:g} s "
                "(--max_read_s).",
            )

    def _forget(self):
        self._incomplete.pop(self, None)
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def refuse(self, status, message):
        """Close, with an answer where none was begun."""
        self._forget()
        if self.transport.get_write_buffer_size():
            self.transport.abort()
            return
        if not (self.cycle and self.cycle.response_started):
            body = json.dumps({"error": message}).encode()
            self.transport.write(
                b"HTTP/1.1 %d Refused\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\nConnection: close\r\n\r\n%s"
                % (status, len(body), body)
            )
        self.transport.close()


class OncePerMinute(logging.Filter):
    """Lets each line of code log once a minute, so that no client fills a disk.

    The next record then says how many were left out.
    """

    def __init__(self):
        super().__init__()
        self._places: dict[tuple, tuple] = {}

    def filter(self, record):
        place = record.pathname, record.lineno
        now = time.monotonic()
        due, left_out = self._places.get(place, (now, 0))
        if now < due:
            self._places[place] = due, left_out + 1
            return False
        self._places[place] = now + 60, 0
        if left_out:
            record.msg = f"{record.getMessage()} ({left_out:,} more before it)"
            record.args = None
        return True
