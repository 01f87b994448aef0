"""Several runs beside each other: a picture."""

import html
import statistics

from keras_rtd.pretraining import line_chart
from keras_rtd.pretraining.comparison import METRICS
from keras_rtd.pretraining.comparison import groups
from keras_rtd.pretraining.comparison import last
from keras_rtd.pretraining.line_chart import Series

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
.ring { fill: none; stroke: currentColor; }
.marker, .end { fill: currentColor; }
.grid { stroke: #dfe2e6; }
.axis { stroke: #6a7078; }
"""


def picture(runs, against=None):
    """All metrics, means over seeds, as one SVG.

    Against FLOPs: with one budget, the evaluations from the first to the last;
    with several, the ends of the runs. Against a setting: the ends, a line for
    each budget, of the seeds that all values have, and a ring for each run
    where a value has several.

    Args:
        runs: as `summarise` takes them.
        against: string. Name of the setting whose value they have in `at`.
    """
    if against is None:
        lines, x_label = _against_flops(runs)
    else:
        lines, x_label = _against_setting(runs), against
    names = list(lines)
    charts = []
    suites = [(name, name, "") for run in runs for name in run["suites"]]
    for metric, title, note in (*METRICS, *dict.fromkeys(suites)):
        series = []
        for name, points_of in lines.items():
            points, dots = points_of(metric)
            if points:
                style = f"s{names.index(name)}"
                series.append(Series(name, points, style, dots))
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
        chart = line_chart.line_chart(
            title, series, x_label, whole=against is None
        )
        parts.append(
            chart.replace(
                "<svg ",
                f'<svg x="{x}" y="{y + 40}" width="{line_chart.WIDTH}" '
                f'height="{line_chart.HEIGHT}" ',
                1,
            )
        )
    return "\n".join([*parts, "</svg>\n"])


def _against_flops(runs):
    """(dict of name to a function of a metric that gives its points and no
    dots, name of the unit)."""
    named = {name: group for (name,), group in groups(runs, "name").items()}
    ends = len(groups(runs, "name", "flops")) > len(named)
    largest = max(run["rows"][-1]["flops"] for run in runs)
    unit, label = next((u for u in UNITS if largest >= u[0]), (1.0, "FLOP"))

    def points_of(group):
        return lambda metric: (_means(group, metric, unit, ends), ())

    return {name: points_of(group) for name, group in named.items()}, label


def _against_setting(runs):
    """Dict of a budget's name to a function of a metric that gives the means,
    by rising value, and the runs.

    Where some values have more seeds than others, the means are of the seeds
    that all have: those of others would tell seeds apart, not values.
    """

    def points_of(group):
        def find(metric):
            found: dict[float, dict] = {}
            for run in group:
                if metric in last(run):
                    seeds = found.setdefault(run["at"], {})
                    seeds[run["seed"]] = last(run)[metric]
            values = sorted(found.items())
            shared = set.intersection(*map(set, found.values() or [()]))
            return (
                [(at, _mean(seeds, shared)) for at, seeds in values],
                [
                    (at, y)
                    for at, seeds in values
                    for y in seeds.values()
                    if len(seeds) > 1
                ],
            )

        return find

    return {
        f"{budget:.3g} FLOPs": points_of(group)
        for (budget,), group in groups(runs, "budget").items()
    }


def _mean(seeds, shared):
    return statistics.fmean(
        y for s, y in seeds.items() if s in (shared or seeds)
    )


def _means(group, metric, unit, ends):
    """(FLOPs, mean over seeds) where all seeds have been evaluated."""
    found: dict[float, list] = {}
    seeds = {run["seed"] for run in group}
    for run in group:
        rows = [*run["rows"][:-1], last(run)]
        for row in rows[-1:] if ends else rows:
            if metric in row:
                found.setdefault(row["flops"], []).append(row[metric])
    return [
        (flops / unit, statistics.fmean(values))
        for flops, values in sorted(found.items())
        if ends or len(values) == len(seeds)
    ]
