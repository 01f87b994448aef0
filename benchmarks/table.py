"""The bench's results as text, and beside the last recorded ones."""

import json

# A run may be so much slower before it says so.
TOLERANCE = 0.10


def line(row):
    """One row as a line of text."""
    return (
        f"{_name(row):<46} {row['tokens_per_second']:>9,.0f} tokens/s"
        f"{row['first_step_seconds']:>7.1f} s"
        f"{row['peak_memory_bytes'] / 2**30:>7.2f} GiB, "
        f"imports {row['imports_memory_bytes'] / 2**30:.2f}"
        f"{row['matmul_fraction']:>7.1%}"
    )


def render(result):
    """All rows, then how ours stands to the peers."""
    lines = []
    for key in dict.fromkeys(_model(row) for row in result["rows"]):
        model, batch_size, length = key
        lines.append(f"{model}, {batch_size} x {length}")
        lines.append(
            f"{'':<46} {'training step':>18} {'first':>7} {'memory':>10} "
            f"{'':>13} {'peak':>6}"
        )
        rows = [row for row in result["rows"] if _model(row) == key]
        lines += [line(row) for row in rows]
        lines += [f"  {text}" for text in _ratios(rows)]
        lines.append("")
    for row in result["pipeline"]:
        lines.append(
            f"{row['name']:<46} {row['tokens_per_second']:>9,.0f} tokens/s"
            f"{row['megabytes_per_second']:>8.2f} MB/s a core"
        )
    return "\n".join(lines)


def _model(row):
    return row["model"], row["batch_size"], row["sequence_length"]


def _name(row):
    words = ("implementation", "backend", "dtype", "variant")
    return " ".join(row[word] for word in words if row[word])


def comparisons(rows):
    """(row of ours, peer measured in turns with it) of every group.

    Rows are in the order of their groups, ours first in each that has it; the
    groups of peers alone begin with Hugging Face again.
    """
    ours, seen = None, set()
    for row in rows:
        if row["implementation"] == "keras_rtd":
            ours, seen = row, set()
        elif ours is not None and row["implementation"] not in seen:
            seen.add(row["implementation"])
            yield ours, row


def _ratios(rows):
    for row, peer in comparisons(rows):
        speed = row["tokens_per_second"] / peer["tokens_per_second"]
        memory = row["peak_memory_bytes"] / peer["peak_memory_bytes"]
        training = _beyond_imports(row) / _beyond_imports(peer)
        yield (
            f"{row['backend']} {row['dtype']}: {speed:.2f}x the tokens/s "
            f"and {memory:.2f}x the memory ({training:.2f}x without imports) "
            f"of {peer['implementation']} {peer['variant']}".rstrip()
        )


def _beyond_imports(row):
    """Bytes that the model and its training take."""
    return row["peak_memory_bytes"] - row["imports_memory_bytes"]


def _leads(rows):
    """{what of ours: its speed / Hugging Face's}."""
    return {
        (row["backend"], row["model"], row["dtype"], row["sequence_length"]): (
            row["tokens_per_second"] / peer["tokens_per_second"]
        )
        for row, peer in comparisons(rows)
        if peer["implementation"] == "huggingface"
    }


def newest(folder, machine):
    """The last recorded results of this machine, or `None`."""
    paths = sorted(folder.glob(f"*-{machine}.json"))
    return json.loads(paths[-1].read_text("utf-8")) if paths else None


def slower_than(previous, result):
    """Warnings: rows whose lead over the peers shrank by over 10%."""
    if previous is None:
        return
    before, now = _leads(previous["rows"]), _leads(result["rows"])
    for key in before.keys() & now.keys():
        if now[key] < before[key] * (1 - TOLERANCE):
            yield (
                f"{' '.join(map(str, key))}: {now[key]:.2f}x Hugging Face, "
                f"it was {before[key]:.2f}x on {previous['date']}"
            )
