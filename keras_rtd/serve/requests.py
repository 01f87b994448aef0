"""Reading and checking what a client sent."""

import dataclasses
import json

from keras_rtd.utils.setting import setting


class RequestError(Exception):
    """A request that is answered with an error.

    Args:
        status: int. The HTTP status.
        message: str. What is wrong, and what to do.
    """

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status
        self.message = message


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one request may hold, and all of them together."""

    max_body_bytes: int = setting(
        1_000_000, "Size of a request in bytes; more gets 413.", at_least=1
    )
    max_texts: int = setting(
        64,
        "Number of texts, or pairs of texts, in a request; more get 422.",
        at_least=1,
    )
    max_characters: int = setting(
        20_000, "Number of characters in a text; more get 422.", at_least=1
    )
    max_rows: int = setting(
        256,
        "Number of rows for the model in a request; a text longer than a row "
        "makes several. More get 413.",
        at_least=1,
    )
    max_tokens: int = setting(
        32_768,
        "Number of tokens in the rows of a request; more get 413.",
        at_least=1,
    )
    max_batch: int = setting(
        32, "Number of rows that run together.", at_least=1
    )
    max_wait_ms: float = setting(
        5.0,
        "Milliseconds for which a row waits for others to run with it.",
        at_least=0,
        at_most=10_000,
    )
    max_queue: int = setting(
        1024,
        "Number of rows that may wait for the model; requests whose rows find "
        "no room get 503.",
        at_least=1,
    )
    max_connections: int = setting(
        384,
        "Number of requests that are answered at the same time; more get 503.",
        at_least=1,
    )
    max_read_s: float = setting(
        15.0,
        "Seconds within which the headers and the body of a request must have "
        "arrived; later ones get 408.",
        at_least=0.1,
        at_most=3600,
    )


def parse(body, fields):
    """The JSON object of a body.

    Args:
        body: bytes.
        fields: tuple of str. The names it must hold, and no others.

    Returns:
        dict.

    Raises:
        RequestError: 400 where it is no JSON, 422 where it is another object.
    """
    try:
        value = json.loads(body)
    except RecursionError:
        raise RequestError(400, "The body is nested too deeply.") from None
    except ValueError as e:
        raise RequestError(400, f"The body is not JSON: {e}") from None
    expected = ", ".join(f'"{name}": …' for name in fields)
    if not isinstance(value, dict) or set(value) != set(fields):
        found = (
            f"the names {json.dumps(sorted(value)[:8])[:200]}"
            if isinstance(value, dict)
            else type(value).__name__
        )
        raise RequestError(
            422, f"The body must be {{{expected}}}. It holds {found}."
        )
    return value


def check_text(text, name, limits):
    """`text`, a string of whole characters that is not too long.

    Raises:
        RequestError: 422, naming the field.
    """
    most = limits.max_characters
    _check(text, name, str, most, "characters", "Split it", "max_characters")
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise RequestError(
            422,
            f"{name} is no Unicode text: half a character at {e.start}.",
        ) from None
    return text


def read_texts(body, limits, check=check_text):
    """The entries of `{"texts": [...]}`, each through `check`."""
    texts = parse(body, ("texts",))["texts"]
    remedy = "Send several requests"
    _check(
        texts, "texts", list, limits.max_texts, "entries", remedy, "max_texts"
    )
    return [check(text, f"texts[{i}]", limits) for i, text in enumerate(texts)]


def _check(value, name, kind, most, unit, remedy, option):
    if not isinstance(value, kind):
        expected = {str: "string", list: "list"}[kind]
        raise RequestError(
            422, f"{name} must be a {expected}, not {type(value).__name__}."
        )
    if len(value) > most:
        raise RequestError(
            422,
            f"{name} has {len(value):,} {unit}; at most {most:,} are taken. "
            f"{remedy}, or start the server with a larger --{option}.",
        )
