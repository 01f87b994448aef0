"""Held-out text coloured by what the discriminator thinks of each token."""

import html
import itertools

from keras_rtd.utils import json_file

FIELDS = {
    "tokens": str,
    "corrupted": str,
    "text": str,
    "is_replaced": bool,
    "probability": float,
}
# How many evaluations before the newest are shown, spread over the run.
EARLIER = 4

LEGEND = (
    '<p class="note">Held-out text as the discriminator saw it. Shade: the '
    "probability it gives each token of having been replaced, from 0 "
    '<span class="scale"></span> to 1. Underlined: '
    '<span class="token replaced" style="--p:0">truly replaced</span>, '
    'followed by the <small class="was">original</small>.</p>'
)


def examples_section(samples):
    """The examples of a report as HTML.

    Args:
        samples: list of dicts, newest last: `step` int; `tokens`,
            `corrupted` lists of tokens, original and as shown; `text`, what
            the latter stand for (with a space before a word, empty for special
            tokens); `is_replaced` list of bool; `probability` list of float.

    Returns:
        string, empty without samples.

    Raises:
        ValueError: a sample that lacks a field or whose lists differ in
            length.
    """
    for number, sample in enumerate(samples, start=1):
        if isinstance(sample, dict) and isinstance(
            sample.get("corrupted"), list
        ):
            # Earlier versions wrote tokens alone.
            sample.setdefault("text", [f" {t}" for t in sample["corrupted"]])
        _check(sample, number)
    groups = [
        (step, list(group))
        for step, group in itertools.groupby(samples, lambda s: s["step"])
    ]
    if not groups:
        return ""
    step, newest = groups[-1]
    earlier = groups[:-1]
    stride = -(-len(earlier) // EARLIER) or 1
    parts = [f"<h2>Examples at step {step:,}</h2>", LEGEND, *map(_row, newest)]
    # The first one stays: it is what the later ones are compared with.
    for step, group in reversed(earlier[::stride]):
        parts.append(
            f"<details><summary>At step {step:,}</summary>"
            + "".join(map(_row, group))
            + "</details>"
        )
    return "\n".join(parts)


def _check(sample, number):
    if not isinstance(sample, dict) or not isinstance(sample.get("step"), int):
        raise ValueError(f"sample {number} is not an object with a `step`.")
    lengths = {
        field: len(sample[field])
        for field in FIELDS
        if isinstance(sample.get(field), list)
    }
    if len(lengths) < len(FIELDS) or len(set(lengths.values())) != 1:
        raise ValueError(
            f"sample {number} needs the lists {', '.join(FIELDS)} in equal "
            f"lengths. Found: {lengths}"
        )
    node = json_file.Node(sample, f"sample {number}")
    for field, kind in FIELDS.items():
        for value in node[field].items():
            value.of(kind)


def _row(sample):
    columns = [sample[field] for field in FIELDS]
    parts: list[str] = []
    for token, shown, text, replaced, probability in zip(*columns, strict=True):
        if parts and (not text or text[0].isspace()):
            parts.append(" ")
        style = "token"
        title = f"probability {probability:.2f}"
        if replaced:
            style += " replaced"
            title += f", originally {token}"
        elif not text:
            style += " special"
        parts.append(
            f'<span class="{style}" style="--p:{probability:.2f}" '
            f'title="{html.escape(title)}">'
            f"{html.escape(text.strip() or shown)}</span>"
        )
        if replaced:
            parts.append(f'<small class="was">{html.escape(token)}</small>')
    return f'<p class="example">{"".join(parts)}</p>'
