"""`report.html` of a run: figures, curves, coloured examples, settings."""

import html
import json
import pathlib

from keras_rtd.pretraining.curves import curves_section
from keras_rtd.pretraining.curves import figures_section
from keras_rtd.pretraining.examples import examples_section
from keras_rtd.pretraining.line_chart import format_count
from keras_rtd.pretraining.line_chart import format_value
from keras_rtd.utils import json_file
from keras_rtd.utils.reading import read_utf8
from keras_rtd.utils.targets import Kind
from keras_rtd.utils.writing import write_text

TITLE = ": pre-training report</title>"
STYLE = pathlib.Path(__file__).with_name("report.css")


def write_report(run_dir):
    """Write `report.html`, one self-contained page about a run.

    Args:
        run_dir: string or path. Read are `metrics.jsonl`, `config.json` and
            `samples.json`; a missing one leaves its part of the page out.

    Returns:
        `pathlib.Path` of the page, which appears whole or not at all.

    Raises:
        ValueError: a file that cannot be read, with its name and line, or a
            `report.html` that is another page.
    """
    run_dir = pathlib.Path(run_dir)
    rows = read_metrics(run_dir / "metrics.jsonl")
    config = _flat(_read_json(run_dir / "config.json", dict))
    samples_path = run_dir / "samples.json"
    samples = _read_json(samples_path, list)
    try:
        examples = examples_section(samples)
    except ValueError as error:
        raise ValueError(f"{samples_path}: {error}") from error
    heading = str(config.get("preset", run_dir.name))
    page = _page(
        heading,
        [
            f"<h1>{html.escape(heading)}</h1>",
            f'<p class="summary">{_summary(rows, config)}</p>',
            figures_section(rows),
            curves_section(rows),
            examples,
            _settings(config),
        ],
    )
    path = run_dir / "report.html"
    # A path in the settings may hold bytes that are no text.
    write_text(path, page, REPORT, errors="backslashreplace")
    return path


def _is_report(path):
    return TITLE.encode() in path.read_bytes()


REPORT = Kind("a run's report", _is_report)


def read_metrics(path):
    """The evaluations of a run, by rising step.

    A resumed run may have evaluated a step twice: the later line counts.

    Args:
        path: `pathlib.Path` of a `metrics.jsonl`; it may be missing.

    Returns:
        list of dicts that hold finite numbers only.

    Raises:
        ValueError: a line that is no evaluation, with file and line.
    """
    rows = {}
    # Not splitlines(), which breaks at more than line feeds.
    for number, line in enumerate(_read(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        if not isinstance(row, dict) or not _is_number(row.get("step")):
            raise ValueError(
                f"{path}, line {number}: not an object with a `step`."
            )
        row = {name: v for name, v in row.items() if _is_number(v)}
        if "val_replaced_rate" in row:
            row["val_always_original"] = 1 - row["val_replaced_rate"]
        rows[row["step"]] = row
    return [rows[step] for step in sorted(rows)]


def _is_number(value):
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) < 1e300


def _read(path):
    try:
        return read_utf8(path)
    except FileNotFoundError:
        return ""


def _read_json(path, kind):
    text = _read(path)
    if not text:
        return kind()
    value = json_file.parse(text, path)
    if not isinstance(value, kind):
        raise ValueError(f"{path}: a JSON {kind.__name__} was expected.")
    return value


def _page(heading, sections):
    body = "\n".join(section for section in sections if section)
    # The policy makes "self-contained" hold: a browser loads nothing else.
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'"/>
<title>{html.escape(heading)}{TITLE}
<style>
{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _summary(rows, config):
    if not rows:
        return (
            "No metrics yet: the run has written no evaluation to "
            "metrics.jsonl."
        )
    last = rows[-1]
    steps = f"{last['step']:,}"
    planned = config.get("train_steps")
    if _is_number(planned) and planned > last["step"]:
        steps += f" of {planned:,}"
    parts = [f"{steps} steps"]
    if "tokens" in last:
        parts.append(f"{format_count(last['tokens'])} tokens")
    if "seconds" in last:
        parts.append(_duration(last["seconds"]))
    if "tokens_per_second" in last:
        parts.append(f"{format_value(last['tokens_per_second'])} tokens/s")
    settings = (config.get("objective"), config.get("backend"))
    parts.extend(str(setting) for setting in settings if setting)
    return html.escape(" · ".join(parts))


def _duration(seconds):
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02} min"


def _flat(config):
    """`config.json` without its groups."""
    flat: dict = {}
    for name, value in config.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def _settings(config):
    if not config:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(str(name))}</th>'
        f"<td>{html.escape(_setting(value))}</td></tr>"
        for name, value in config.items()
    )
    return f"<h2>Settings</h2><table><tbody>{rows}</tbody></table>"


def _setting(value):
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
