"""Imports go downwards: no circles of files, and rooms in their order."""

import ast
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent

# From the bottom: each room imports only from those before it.
ROOMS = (
    "utils",
    "kernels",
    "tokenizers",
    "data",
    "layers",
    "objectives",
    "training",
    "models",
    "interop",
    "evaluation",
    "export",
    "pretraining",
    "finetuning",
    "serve",
)
# Still upwards: (importing room, imported room). Add none.
UPWARDS = {("data", "layers")}

FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(
        ".__init__"
    ): path
    for path in (ROOT / "keras_rtd").rglob("*.py")
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
    for node in ast.walk(ast.parse(FILES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in FILES else node.module)
    return found & FILES.keys()


def room(name):
    return name.split(".")[1] if name.count(".") else None


GRAPH = {name: imported(name) for name in FILES}


def test_no_file_imports_itself_by_way_of_others():
    try:
        graphlib.TopologicalSorter(GRAPH).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_rooms_import_from_those_below():
    upwards = {
        (room(name), room(other)): f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in others
        if room(name) in ROOMS
        and room(other) in ROOMS
        and ROOMS.index(room(other)) > ROOMS.index(room(name))
    }
    assert upwards.keys() <= UPWARDS, upwards


def test_every_room_has_its_place():
    folders = {
        path.parent.name for path in (ROOT / "keras_rtd").glob("*/__init__.py")
    }
    assert folders == set(ROOMS)
