"""Reading and checking what a client sent."""

import dataclasses
import json


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
    """What one request may hold.

    Args:
        max_body_bytes: int. Size of the body.
        max_texts: int. Number of texts, or pairs of texts.
        max_characters: int. Characters of one text.
        max_rows: int. Rows of the model, all texts together.
        max_tokens: int. Tokens of these rows.
    """

    max_body_bytes: int = 1_000_000
    max_texts: int = 64
    max_characters: int = 20_000
    max_rows: int = 256
    max_tokens: int = 32_768


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
