"""A small line chart as SVG, drawn without any library."""

import dataclasses
import html
import math

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 50, 62, 12, 40
# Beyond this many points a marker each would hide the line.
MAX_MARKERS = 60
LABEL_GAP = 16


@dataclasses.dataclass(frozen=True)
class Series:
    """One line of a chart.

    Args:
        label: string. Its name in the legend.
        points: list of (x, y), x rising, all finite.
        style: string. CSS class that colours it.
        dots: list of (x, y) beside the line, drawn as rings.
    """

    label: str
    points: list
    style: str
    dots: tuple | list = ()


def format_value(value):
    """A number as people read it: 43.2, 0.650, 1.5e-4, 8,612."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 0.1 or value == 0:
        return f"{value:.3f}"
    if size >= 0.001:
        return f"{value:.3g}"
    return _short_exponent(f"{value:.2e}")


def format_count(value):
    """A count in short: 950, 12.5k, 3M."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def line_chart(title, series, x_label, whole=True):
    """One chart with axes, ticks and the last value of each line.

    Args:
        title: string. What screen readers say before the last values.
        series: list of `Series`, each with one point or more.
        x_label: string.
        whole: bool. Whether x is a count, with ticks at whole numbers only.

    Returns:
        string. An `<svg>` element that takes its colours from the classes
        `axis`, `grid`, `tick`, `line`, `marker`, `ring`, `end` and those of
        the series.
    """
    drawn = [p for line in series for p in (*line.points, *line.dots)]
    xs, ys = [x for x, _ in drawn], [y for _, y in drawn]
    x_low, x_high = min(0, *xs), max(xs)
    y_low, y_high = _padded(min(ys), max(ys))
    plot_width, plot_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x, y):
        across = (x - x_low) / ((x_high - x_low) or 1)
        up = (y - y_low) / (y_high - y_low)
        return LEFT + across * plot_width, TOP + (1 - up) * plot_height

    last = ", ".join(
        f"{line.label} {format_value(line.points[-1][1])}" for line in series
    )
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(f"{title}, at the end: {last}")}">'
    ]
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for tick, text in _ticks(y_low, y_high, count=5):
        y = place(x_low, tick)[1]
        parts.append(_line("grid", LEFT, y, right, y))
        parts.append(_text("tick", LEFT - 7, y + 4, text, anchor="end"))
    for tick, text in _ticks(x_low, x_high, count=4, whole=whole):
        x = place(tick, y_low)[0]
        parts.append(_line("axis", x, bottom, x, bottom + 5))
        parts.append(_text("tick", x, bottom + 18, text, anchor="middle"))
    parts.append(_line("axis", LEFT, bottom, right, bottom))
    parts.append(
        _text(
            "tick",
            LEFT + plot_width / 2,
            HEIGHT - 5,
            x_label,
            anchor="middle",
        )
    )
    for line in series:
        for x, y in (place(*dot) for dot in line.dots):
            parts.append(
                f'<circle class="ring {line.style}" cx="{x:.1f}" '
                f'cy="{y:.1f}" r="3"/>'
            )
        parts.extend(_curve(line, place))
    ends = [place(*line.points[-1]) for line in series]
    heights = _spread([y for _, y in ends], bottom)
    for line, (x, _), y in zip(series, ends, heights, strict=True):
        value = format_value(line.points[-1][1])
        parts.append(_text(f"end {line.style}", x + 8, y + 4, value))
    parts.append("</svg>")
    return "\n".join(parts)


def _curve(line, place):
    placed = [place(*point) for point in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    yield f'<polyline class="line {line.style}" points="{path}"/>'
    many = len(placed) > MAX_MARKERS
    for (x, y), (step, value) in list(zip(placed, line.points, strict=True))[
        -1 if many else 0 :
    ]:
        name = html.escape(f"{line.label}, {step:,}: {format_value(value)}")
        yield (
            f'<circle class="marker {line.style}" cx="{x:.1f}" cy="{y:.1f}" '
            f'r="2.5"><title>{name}</title></circle>'
        )


def _line(style, x1, y1, x2, y2):
    return (
        f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" '
        f'x2="{x2:.1f}" y2="{y2:.1f}"/>'
    )


def _text(style, x, y, text, anchor="start"):
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" '
        f'text-anchor="{anchor}">{html.escape(text)}</text>'
    )


def _padded(low, high):
    # A flat line still needs a scale around it, and noise no magnifying.
    margin = max(0.06 * (high - low), 0.01 * abs(high)) or 1.0
    # Losses, shares and rates: none is below zero unless it truly is.
    return (max(0.0, low - margin) if low >= 0 else low - margin), high + margin


def _ticks(low, high, count, whole=False):
    """(value, text) at round numbers, about `count` of them."""
    rough = ((high - low) or 1) / count
    scale = 10 ** math.floor(math.log10(rough))
    step = min(
        (scale, 2 * scale, 5 * scale, 10 * scale),
        key=lambda s: abs(math.log(s / rough)),
    )
    if whole:
        step = max(1, round(step))
    first, last = math.ceil(low / step), math.floor(high / step)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    for i in range(first, last + 1):
        value = i * step
        if whole or step >= 1000:
            text = format_count(value)
        elif max(abs(low), abs(high)) < 0.01:
            text = _short_exponent(f"{value:.1e}") if i else "0"
        else:
            text = f"{value:.{decimals}f}"
        yield value, text


def _short_exponent(text):
    """2.50e-04 -> 2.5e-4."""
    digits, exponent = text.split("e")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return f"{digits}e{int(exponent)}"


def _spread(heights, bottom):
    """Heights moved apart so that labels do not overlap."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    placed = list(heights)
    for above, below in zip(order, order[1:]):
        placed[below] = max(placed[below], placed[above] + LABEL_GAP)
    limit = bottom
    for i in reversed(order):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - LABEL_GAP
    return placed
