"""Imports go downwards: no circles of files, and rooms in their order.

    python tests/imports_test.py

writes `ROOMS` into CONTRIBUTING.md.
"""

import ast
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent

# From the bottom: each room imports only from those before it.
ROOMS = {
    "utils": "settings, files, addresses, devices: nothing of language models",
    "keras_internals": "every use of a private name of Keras or KerasHub",
    "kernels": "the computations that each backend does in a way of its own",
    "tokenizers": "from text to ids: a file a kind",
    "layers": "what families share: embedding, heads, sampler, masking",
    "data": "from a corpus to masked batches; `readers/` has a file a format",
    "objectives": "what is corrupted, what is predicted, how losses combine",
    "training": "the step on each backend, optimisers, schedules, checkpoints",
    "models": "families of encoders, pretrainer, tasks, presets",
    "interop": "weights and configs of other libraries, both ways",
    "evaluation": "files of labelled tasks in, scores out",
    "export": "formats that serve without keras_rtd",
    "pretraining": "whole runs: settings, run directory, evaluation, report",
    "finetuning": "the same for fine-tuning: tasks, seeds, resume, suites",
    "serve": "models over HTTP, and a page",
    "commands": "command lines of whole jobs, which recipes/ call",
    "cli": "the console script `keras-rtd`",
}

PACKAGE = ROOT / "keras_rtd"
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(
        ".__init__"
    ): path
    for path in PACKAGE.rglob("*.py")
}
# Imported by names that are put together.
BACKENDS = {
    "keras_rtd.kernels": "keras_rtd.kernels.",
    "keras_rtd.training.step": "keras_rtd.training.step_",
}


def imported(name):
    """Files that a file imports, at its top or inside a function."""
    found = {
        f"{BACKENDS[name]}{backend}"
        for backend in ("jax", "tensorflow", "torch")
        if name in BACKENDS
    }
    nodes = list(ast.walk(ast.parse(FILES[name].read_text("utf-8"))))
    if any(isinstance(n, ast.Name) and n.id == "importlib" for n in nodes):
        # Names of modules in strings are imports too.
        found.update(
            n.value
            for n in nodes
            if isinstance(n, ast.Constant)
            if str(n.value).startswith("keras_rtd.")
        )
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in FILES else node.module)
    return (found & FILES.keys()) - {name}


def room(name):
    return name.split(".")[1] if name.count(".") else None


GRAPH = {name: imported(name) for name in FILES}


def test_no_file_imports_itself_by_way_of_others():
    try:
        graphlib.TopologicalSorter(GRAPH).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_rooms_import_from_those_below():
    order = list(ROOMS)
    upwards = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in others
        if room(name) and room(other)
        if order.index(room(other)) > order.index(room(name))
    ]
    assert not upwards, upwards


def test_every_room_has_its_place():
    folders = {room(name) for name in FILES} - {None}
    assert folders == set(ROOMS)


def contributing():
    """CONTRIBUTING.md, and the same with the table of `ROOMS`."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    head, _, rest = text.partition("<!-- rooms -->\n")
    _, end, tail = rest.partition("<!-- end of rooms -->\n")
    assert end, "CONTRIBUTING.md has lost the marks of its table"
    rows = [
        f"| `keras_rtd/{name}{'' if (PACKAGE / name).is_dir() else '.py'}` "
        f"| {text} |\n"
        for name, text in reversed(ROOMS.items())
    ]
    table = "".join(["| Room | What is in it |\n", "|---|---|\n", *rows])
    return text, f"{head}<!-- rooms -->\n{table}{end}{tail}"


def test_the_table_of_rooms_is_this_list():
    text, renewed = contributing()
    assert text == renewed, "run `python tests/imports_test.py`"


if __name__ == "__main__":
    (ROOT / "CONTRIBUTING.md").write_text(contributing()[1], "utf-8")
