"""Scores of several runs as a table."""


def markdown(results):
    """A Markdown table of medians and spreads.

    Args:
        results: list of dicts as `finetune` returns them.

    Returns:
        string, a row for each metric of each.
    """
    lines = [
        "| task | metric | median | lowest | highest | runs |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        for name, median in result["median"].items():
            values = [run[name] for run in result["runs"]]
            lines.append(
                f"| {result['task']} | {name} | {median:.1f} | "
                f"{min(values):.1f} | {max(values):.1f} | {len(values)} |"
            )
    return "\n".join(lines)
