"""The tutorials run: every cell of every notebook, in a fresh process."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
TITLES = (ROOT / "docs" / "tutorials" / "index.md").read_text("utf-8")


def cells(path, kind):
    book = json.loads(path.read_text("utf-8"))
    return [
        "".join(cell["source"])
        for cell in book["cells"]
        if cell["cell_type"] == kind
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_clean_and_listed(path):
    book = json.loads(path.read_text("utf-8"))
    outputs = [c for c in book["cells"] if c.get("outputs")]
    assert not outputs, "clear the outputs before you commit"
    assert f"({path.stem}.md)" in TITLES
    assert "pip" in cells(path, "code")[0]
    assert cells(path, "markdown")[0].startswith("# ")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    program = tmp_path / f"{path.stem}.py"
    program.write_text("\n\n".join(cells(path, "code")), "utf-8")
    result = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr[-4000:]
