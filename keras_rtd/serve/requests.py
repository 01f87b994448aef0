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
    """

    max_body_bytes: int = 1_000_000
    max_texts: int = 64
    max_characters: int = 20_000


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
    if not isinstance(text, str):
        raise RequestError(
            422, f"{name} must be a string, not {type(text).__name__}."
        )
    if len(text) > limits.max_characters:
        raise RequestError(
            422,
            f"{name} has {len(text):,} characters; at most "
            f"{limits.max_characters:,} are taken. Split it, or start the "
            "server with a larger --max_characters.",
        )
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise RequestError(
            422,
            f"{name} is no Unicode text: half a character at {e.start}.",
        ) from None
    return text


def check_list(texts, name, limits):
    """`texts`, a list that is not too long.

    Raises:
        RequestError: 422, naming the field.
    """
    if not isinstance(texts, list):
        raise RequestError(
            422, f"{name} must be a list, not {type(texts).__name__}."
        )
    if len(texts) > limits.max_texts:
        raise RequestError(
            422,
            f"{name} has {len(texts):,} entries; at most {limits.max_texts:,} "
            "are taken. Send several requests, or start the server with a "
            "larger --max_texts.",
        )
    return texts


def read_texts(body, limits):
    """The strings of `{"texts": [...]}`."""
    texts = check_list(parse(body, ("texts",))["texts"], "texts", limits)
    return [
        check_text(text, f"texts[{i}]", limits) for i, text in enumerate(texts)
    ]
