"""The HTTP side: routes, limits and errors. Knows no model."""

import asyncio
import base64
import concurrent.futures
import contextlib
import hashlib
import importlib.resources
import logging
import re

import keras
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse
from starlette.responses import JSONResponse
from starlette.routing import Route

from keras_rtd.serve.batching import QueueFull
from keras_rtd.serve.requests import RequestError

logger = logging.getLogger(__name__)

# Bytes of a body up to which a request is prepared at once. Larger ones take
# turns in a thread of their own, and the others do not wait for them.
SMALL = 4096

# What each endpoint needs; also the order in which they are listed.
ENDPOINTS = {
    "detect": "an ElectraPretrainer or ElectraReplacedTokenDetector",
    "classify": "an ElectraTextClassifier",
    "tag": "an ElectraTokenClassifier",
    "answer": "an ElectraQuestionAnswerer",
}


def make_app(services, batcher, limits):
    """The ASGI application.

    Args:
        services: list of services, each with `endpoint`, `preset`,
            `describe()`, `prepare(body, limits)` and `run(key, values)`; no
            two with one endpoint.
        batcher: `Batcher`. Closed when the application ends.
        limits: `Limits`.

    Returns:
        `starlette.applications.Starlette`.
    """
    by_endpoint = {service.endpoint: service for service in services}
    page, policy = _page()
    places = asyncio.Semaphore(limits.max_connections)
    thread = concurrent.futures.ThreadPoolExecutor(1, "large requests")

    async def run(size, function, *args):
        if size <= SMALL:
            return function(*args)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(thread, function, *args)

    async def show_page(request):
        headers = {"Content-Security-Policy": policy}
        return HTMLResponse(page, headers={**headers, **_NO_SNIFF})

    async def health(request):
        return _json({"status": "ok", "waiting": batcher.waiting})

    async def model(request):
        return _json(
            {
                "backend": keras.config.backend(),
                "endpoints": {
                    name: {
                        "preset": str(by_endpoint[name].preset),
                        **by_endpoint[name].describe(),
                    }
                    for name in ENDPOINTS
                    if name in by_endpoint
                },
                "limits": vars(limits),
            }
        )

    async def call(request):
        name = request.path_params["endpoint"]
        if name not in ENDPOINTS:
            raise RequestError(404, _not_found(by_endpoint))
        if name not in by_endpoint:
            raise RequestError(
                404,
                f"No model for /v1/{name} is loaded. Start the server with the "
                f"preset of {ENDPOINTS[name]}, alone or beside others: "
                "python -m keras_rtd.serve PRESET [PRESET ...]",
            )
        service = by_endpoint[name]
        body = await _read(request, limits.max_body_bytes)
        # Now, because those that send half a request are not to count.
        if places.locked():
            logger.warning("More than --max_connections requests: they get 503")
            raise RequestError(
                503,
                f"More than {limits.max_connections:,} requests are being "
                "answered (--max_connections). Try again in a second.",
            )
        async with places:
            return await answer(service, body)

    async def answer(service, body):
        size = len(body)
        rows, finish = await run(size, service.prepare, body, limits)
        try:
            future = batcher.submit(service, rows)
        except QueueFull:
            raise RequestError(
                503,
                f"More than {batcher.max_queue:,} rows wait (--max_queue). "
                "Try again in a second, or send less at once.",
            ) from None
        results = await asyncio.wrap_future(future)
        return await run(size, lambda: _json(finish(results)))

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield
        await asyncio.to_thread(batcher.close)
        thread.shutdown()

    def on_http_error(request, error):
        message = {
            404: _not_found(by_endpoint),
            405: f"{request.method} is not for {request.url.path}.",
        }.get(error.status_code, error.detail)
        return error_response(error.status_code, message, error.headers)

    return Starlette(
        routes=[
            Route("/", show_page),
            Route("/health", health),
            Route("/v1/model", model),
            Route("/v1/{endpoint}", call, methods=["POST"]),
        ],
        exception_handlers={
            RequestError: _on_request_error,
            HTTPException: on_http_error,
            # The rest; the server's log has the traceback.
            Exception: _on_failure,
        },
        lifespan=lifespan,
    )


_NO_SNIFF = {"X-Content-Type-Options": "nosniff"}


def _json(value, status=200, headers=None):
    return JSONResponse(value, status, {**_NO_SNIFF, **(headers or {})})


def error_response(status, message, headers=None):
    """`{"error": message}`; with 503 a time after which to try again."""
    if status == 503:
        headers = {"Retry-After": "1"}
    return _json({"error": message}, status, headers)


def _on_request_error(request, error):
    return error_response(error.status, error.message)


def _on_failure(request, error):
    return error_response(500, "The model failed; the server's log says how.")


def _not_found(services):
    loaded = [f"POST /v1/{name}" for name in ENDPOINTS if name in services]
    return "There are: " + ", ".join(
        ["GET /", "GET /health", "GET /v1/model", *loaded]
    )


async def _read(request, max_bytes):
    """The body of a request, as far as it is allowed."""
    too_large = RequestError(
        413,
        f"The body is larger than {max_bytes:,} bytes. Send less at once, or "
        "start the server with a larger --max_body_bytes.",
    )
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise too_large
    except ClientDisconnect:
        # Nobody reads the answer.
        raise RequestError(400, "The body broke off.") from None
    return bytes(body)


def _page():
    """The page, and a policy that lets its own script run and nothing else."""
    folder = importlib.resources.files("keras_rtd.serve")
    page = (folder / "page.html").read_text(encoding="utf-8")

    def source(tag):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest())
        return f"'sha256-{digest.decode()}'"

    policy = (
        f"default-src 'none'; script-src {source('script')}; "
        f"style-src {source('style')}; connect-src 'self'; "
        "img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page, policy
