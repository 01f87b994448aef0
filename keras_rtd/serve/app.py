"""The HTTP side: routes, limits and errors. Knows no model."""

import asyncio
import base64
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

# For a client that stops sending in the middle of a body.
READ_SECONDS = 30

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
        # In a thread, because a long text takes long to take apart.
        rows, finish = await asyncio.to_thread(service.prepare, body, limits)
        try:
            future = batcher.submit(service, rows)
        except QueueFull:
            raise RequestError(
                503, "Too many requests wait. Try again in a second."
            ) from None
        return _json(finish(await asyncio.wrap_future(future)))

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield
        await asyncio.to_thread(batcher.close)

    def on_http_error(request, error):
        message = {
            404: _not_found(by_endpoint),
            405: f"{request.method} is not for {request.url.path}.",
        }.get(error.status_code, error.detail)
        return _error(error.status_code, message, error.headers)

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


def _error(status, message, headers=None):
    return _json({"error": message}, status, headers)


def _on_request_error(request, error):
    headers = {"Retry-After": "1"} if error.status == 503 else None
    return _error(error.status, error.message, headers)


def _on_failure(request, error):
    return _error(500, "The model failed; the server's log says how.")


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
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise too_large
    except TimeoutError:
        raise RequestError(
            408, f"The body did not arrive within {READ_SECONDS} s."
        ) from None
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
