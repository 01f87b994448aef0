"""Several runs beside each other: a table."""

import statistics

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
    for group in groups(runs, "name", "flops").values():
        entry = {
            **{
                name: group[0][name]
                for name in ("name", "steps", "flops", "flops_per_token")
            },
            "seeds": [run["seed"] for run in group],
        }
        for name in columns(runs):
            values: list = [last(run).get(name) for run in group]
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


def groups(runs, *keys):
    """Dict of the values of `keys` to the runs that have them, in order."""
    found: dict[tuple, list] = {}
    for run in runs:
        found.setdefault(tuple(run[key] for key in keys), []).append(run)
    return found


def last(run):
    """Figures of a run's end: dict."""
    return {**run["rows"][-1], **run["suites"]}


def _line(cells):
    return "| " + " | ".join(cells) + " |"


def _spread(figure):
    text = format_value(figure["median"])
    if figure["low"] != figure["high"]:
        low, high = format_value(figure["low"]), format_value(figure["high"])
        text += f" ({low} to {high})"
    return text
