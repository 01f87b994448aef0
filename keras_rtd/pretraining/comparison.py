"""Several runs beside each other: a table and a picture."""

import html
import statistics

from keras_rtd.pretraining import line_chart
from keras_rtd.pretraining.line_chart import Series
from keras_rtd.pretraining.line_chart import format_value

# What is compared, where an objective has it: (metric, title, what it is).
METRICS = (
    ("probe_auc", "Probe AUC", "words swapped by frequency; more is better"),
    (
        "probe_average_precision",
        "Probe average precision",
        "words swapped by frequency; more is better",
    ),
    (
        "val_masked_lm_loss",
        "Masked LM loss",
        "the encoder's own, on what it reads, in nats; less is better",
    ),
    (
        "val_masked_lm_accuracy",
        "Masked LM accuracy",
        "the encoder's own, on what it reads; more is better",
    ),
    (
        "val_generator_loss",
        "Generator loss",
        "of the part that is not kept, in nats",
    ),
)
LESS_IS_BETTER = ("val_masked_lm_loss", "val_generator_loss")
COLORS = (
    "#1f5fbf",
    "#b4540a",
    "#6b3fc4",
    "#1a7f4b",
    "#b0235f",
    "#6a7078",
    "#8a7000",
    "#00797a",
    "#7a3b10",
    "#2c3e63",
)
UNITS = ((1e18, "EFLOP"), (1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"))
COLUMNS = 2
HEADER = 56
STYLE = """
svg { font: 12px system-ui, sans-serif; background: #fff; color: #1c1e21; }
.title { font-weight: 600; font-size: 14px; }
.note, .tick { fill: #5d636b; }
.line { fill: none; stroke: currentColor; stroke-width: 2; }
.marker, .end { fill: currentColor; }
.grid { stroke: #dfe2e6; }
.axis { stroke: #6a7078; }
"""


def summarise(runs):
    """Final figures of each name and budget over its seeds.

    Args:
        runs: list of dicts of `name`, `seed`, `steps`, `flops`,
            `flops_per_token`, `rows` (dicts of `flops` and metrics, by rising
            step) and `suites` (dict of name to a figure, of the end).

    Returns:
        list of dicts of `name`, `seeds`, `steps`, `flops`, `flops_per_token`
        and metrics: dicts of `median`, `mean`, `low` and `high`.
    """
    result = []
    for group in _groups(runs, "name", "flops").values():
        entry = {
            **{
                name: group[0][name]
                for name in ("name", "steps", "flops", "flops_per_token")
            },
            "seeds": [run["seed"] for run in group],
        }
        for name in columns(runs):
            values: list = [_last(run).get(name) for run in group]
            if None not in values:
                entry[name] = {
                    "median": statistics.median(values),
                    "mean": statistics.fmean(values),
                    "low": min(values),
                    "high": max(values),
                }
        result.append(entry)
    return result


def report(runs):
    """`table`, and `reached` below it, in Markdown."""
    lines = "".join(f"- {line}\n" for line in reached(runs))
    return table(runs) + (lines and f"\n{lines}")


def reached(runs):
    """Who has with less compute what another has in the end: sentences.

    Means over seeds at the ends of runs; nothing is interpolated.
    """
    entries = sorted(summarise(runs), key=lambda e: e["flops"])
    best = {entry["name"]: entry for entry in entries}
    lines = []
    for metric, title in columns(runs).items():
        if metric in LESS_IS_BETTER:
            continue
        for other in best.values():
            if metric not in other:
                continue
            goal = other[metric]["mean"]
            done = set()
            for one in entries:
                name, less = one["name"], one["flops"] / other["flops"]
                if (
                    name == other["name"]
                    or name in done
                    or metric not in one
                    or less > 0.95
                    or one[metric]["mean"] < goal
                ):
                    continue
                done.add(name)
                lines.append(
                    f"{title}: {name} has "
                    f"{format_value(one[metric]['mean'])} with {less:.2f} of "
                    f"the FLOPs of {other['name']}, which ends at "
                    f"{format_value(goal)}"
                )
    return lines


def columns(runs):
    """What is compared of these runs: dict of name to title."""
    found = {name: title for name, title, _ in METRICS}
    for run in runs:
        found |= {name: name for name in run["suites"]}
    return found


def table(runs):
    """`summarise` in Markdown: the median, and the range over seeds."""
    summary = summarise(runs)
    shown = [
        (name, title)
        for name, title in columns(runs).items()
        if any(name in entry for entry in summary)
    ]
    titles = ["run", "FLOPs", "a token", "steps", "seeds"]
    titles += [title for _, title in shown]
    lines = [_line(titles), _line(["---"] * len(titles))]
    for entry in summary:
        cells = [
            entry["name"],
            f"{entry['flops']:.3g}",
            f"{entry['flops_per_token'] / 1e6:.1f} M",
            f"{entry['steps']:,}",
            str(len(entry["seeds"])),
        ]
        for name, _ in shown:
            cells.append(_spread(entry[name]) if name in entry else "")
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def picture(runs):
    """All metrics against FLOPs, means over seeds, as one SVG.

    With one budget, its evaluations from the first to the last; with several,
    the ends of the runs.
    """
    groups = {name: group for (name,), group in _groups(runs, "name").items()}
    names = list(groups)
    ends = len(_groups(runs, "name", "flops")) > len(names)
    largest = max(run["rows"][-1]["flops"] for run in runs)
    unit, label = next((u for u in UNITS if largest >= u[0]), (1.0, "FLOP"))
    charts = []
    suites = [(name, name, "") for run in runs for name in run["suites"]]
    for metric, title, note in (*METRICS, *dict.fromkeys(suites)):
        series = [
            Series(name, points, f"s{names.index(name)}")
            for name, group in groups.items()
            if (points := _means(group, metric, unit, ends))
        ]
        if series:
            charts.append((title, note, series))
    width = line_chart.WIDTH * min(COLUMNS, len(charts) or 1)
    tall = line_chart.HEIGHT + 44
    height = HEADER + tall * -(-len(charts) // COLUMNS)
    colors = "".join(
        f".s{i} {{ color: {COLORS[i % len(COLORS)]}; }}\n"
        for i in range(len(names))
    )
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {width} {height}">',
        f"<style>{STYLE}{colors}</style>",
    ]
    for i, name in enumerate(names):
        x, y = 12 + (i % 4) * width // 4, 20 + 20 * (i // 4)
        parts.append(
            f'<g class="s{i}"><circle class="marker" cx="{x}" cy="{y - 4}" '
            f'r="5"/><text class="end" x="{x + 10}" y="{y}">'
            f"{html.escape(name)}</text></g>"
        )
    for i, (title, note, series) in enumerate(charts):
        x = (i % COLUMNS) * line_chart.WIDTH
        y = HEADER + (i // COLUMNS) * tall
        parts.append(
            f'<text class="title" x="{x + 12}" y="{y + 16}">{title}</text>'
            f'<text class="note" x="{x + 12}" y="{y + 33}">{note}</text>'
        )
        chart = line_chart.line_chart(title, series, label)
        parts.append(
            chart.replace(
                "<svg ",
                f'<svg x="{x}" y="{y + 40}" width="{line_chart.WIDTH}" '
                f'height="{line_chart.HEIGHT}" ',
                1,
            )
        )
    return "\n".join([*parts, "</svg>\n"])


def _groups(runs, *keys):
    groups: dict[tuple, list] = {}
    for run in runs:
        groups.setdefault(tuple(run[key] for key in keys), []).append(run)
    return groups


def _last(run):
    """Figures of a run's end."""
    return {**run["rows"][-1], **run["suites"]}


def _means(group, metric, unit, ends):
    """(FLOPs, mean over seeds) where all seeds have been evaluated."""
    found: dict[float, list] = {}
    seeds = {run["seed"] for run in group}
    for run in group:
        rows = [*run["rows"][:-1], _last(run)]
        for row in rows[-1:] if ends else rows:
            if metric in row:
                found.setdefault(row["flops"], []).append(row[metric])
    return [
        (flops / unit, statistics.fmean(values))
        for flops, values in sorted(found.items())
        if ends or len(values) == len(seeds)
    ]


def _line(cells):
    return "| " + " | ".join(cells) + " |"


def _spread(figure):
    text = format_value(figure["median"])
    if figure["low"] != figure["high"]:
        low, high = format_value(figure["low"]), format_value(figure["high"])
        text += f" ({low} to {high})"
    return text
