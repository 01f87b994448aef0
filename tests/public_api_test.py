"""Public names: they are listed, annotated and documented."""

import ast
import dataclasses
import functools
import importlib
import inspect
import operator
import os
import pathlib
import re
import subprocess
import sys
import types
import typing

import pytest

import keras_rtd

ROOT = pathlib.Path(keras_rtd.__file__).parent
PACKAGES = (
    "keras_rtd",
    "keras_rtd.data",
    "keras_rtd.data.readers",
    "keras_rtd.evaluation",
    "keras_rtd.export",
    "keras_rtd.finetuning",
    "keras_rtd.interop",
    "keras_rtd.kernels",
    "keras_rtd.models",
    "keras_rtd.objectives",
    "keras_rtd.pretraining",
    "keras_rtd.tokenizers",
    "keras_rtd.training",
)


def public(module):
    """(name, object) of what a package or a public module offers."""
    names = getattr(module, "__all__", None)
    for name in names or vars(module):
        value = getattr(module, name)
        if isinstance(value, types.ModuleType):
            if names and value.__name__ not in PACKAGES:
                yield from public(value)
        elif names or (
            name[0] != "_"
            and getattr(value, "__module__", None) == module.__name__
        ):
            yield f"{module.__name__}.{name}", value


def function_of(member):
    """The functions of a class's attribute: none, one, or a setter too."""
    if isinstance(member, property):
        return [f for f in (member.fget, member.fset) if f]
    if isinstance(member, functools.cached_property):
        return [member.func]
    member = getattr(member, "__func__", member)
    return [member] if inspect.isfunction(member) else []


def methods(cls):
    """(class, name, function) of the public methods that we wrote."""
    for base in inspect.getmro(cls):
        if not base.__module__.startswith("keras_rtd"):
            continue
        written = base.__dict__.items()
        if dataclasses.is_dataclass(base):
            written = [i for i in written if i[0] != "__init__"]
        for name, member in written:
            if name[0] != "_" or name in ("__init__", "__call__"):
                for function in function_of(member):
                    yield base, name, function


OBJECTS = dict(
    item
    for package in PACKAGES
    # A backend's kernels have the signatures and the texts of `base`.
    for item in public(
        importlib.import_module(package.replace("kernels", "kernels.base"))
    )
)
CLASSES = {n: o for n, o in OBJECTS.items() if inspect.isclass(o)}
FUNCTIONS = {n: o for n, o in OBJECTS.items() if inspect.isfunction(o)} | {
    f"{base.__module__}.{base.__name__}.{name}": function
    for cls in CLASSES.values()
    for base, name, function in methods(cls)
    # A NamedTuple's own are Python's.
    if function.__module__.startswith("keras_rtd")
}


@pytest.mark.parametrize("package", PACKAGES)
def test_dir_lists_all(package):
    module = importlib.import_module(package)
    listed = [name for name in dir(module) if name[:2] != "__"]
    assert listed == sorted(module.__all__)
    assert all(hasattr(module, name) for name in listed)
    assert "__doc__" in dir(module)


def test_every_package_with_public_names_is_here():
    found = {
        ".".join(path.parent.relative_to(ROOT.parent).parts)
        for path in ROOT.rglob("__init__.py")
        if "__all__" in path.read_text("utf-8")
    }
    assert found == set(PACKAGES)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="keras_rtd.*no attribute 'nmes'"):
        keras_rtd.nmes  # noqa: B018


def test_annotated():
    missing = []
    # An objective's overrides have the types of what they override.
    inherited = {
        f"{cls.__module__}.{cls.__name__}.{name}"
        for cls in CLASSES.values()
        for name in vars(cls)
        for base in inspect.getmro(cls)[1:]
        if cls.__module__.startswith("keras_rtd.objectives")
        and base.__module__.startswith("keras_rtd")
        and name in vars(base)
        and name != "__init__"
    }
    for name, function in FUNCTIONS.items():
        if name in inherited:
            continue
        hints = typing.get_type_hints(function)
        parameters = inspect.signature(function).parameters
        wanted = [p for p in parameters if p not in ("self", "cls")]
        missing += [f"{name}({p})" for p in wanted if p not in hints]
        missing += [f"{name} ->"] if "return" not in hints else []
    assert not missing
    for cls in CLASSES.values():
        typing.get_type_hints(cls)


def test_documented():
    assert not [name for name, o in OBJECTS.items() if not inspect.getdoc(o)]
    for name, function in OBJECTS.items():
        if not inspect.isfunction(function):
            continue
        text = inspect.getdoc(function)
        for parameter in inspect.signature(function).parameters:
            assert re.search(rf"\b{parameter}\b", text), (name, parameter)
        # One line may say it all.
        if typing.get_type_hints(function)["return"] is not type(None):
            assert "\n" not in text or "Returns:" in text, name


def test_methods_are_documented():
    for cls in CLASSES.values():
        # What Keras calls is documented there.
        theirs = {
            name
            for base in inspect.getmro(cls)
            if not base.__module__.startswith("keras_rtd")
            for name in vars(base)
        }
        for _, name, _ in methods(cls):
            known = name in theirs or inspect.getdoc(getattr(cls, name))
            assert known, f"{cls.__name__}.{name}"


def test_names_in_the_docs_can_be_had():
    root = ROOT.parent
    pages = [root / "README.md", root / "CONTRIBUTING.md"]
    for page in [*pages, *root.glob("docs/**/*.md")]:
        text = page.read_text("utf-8")
        found = re.findall(r"(?<!-m )\bkeras_rtd((?:\.\w+)+)", text)
        for path in found:
            try:
                operator.attrgetter(path[1:])(keras_rtd)
            except AttributeError as e:
                pytest.fail(f"{page.name}, keras_rtd{path}: {e}")


def test_code_in_the_docs_imports_what_it_uses():
    root = ROOT.parent
    for page in root.glob("docs/**/*.md"):
        text = page.read_text("utf-8")
        for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            tree = ast.parse(code)
            used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
            if "keras_rtd" in used:
                assert "import keras_rtd\n" in code, page.name


def test_typed_marker():
    assert (ROOT / "py.typed").is_file()


IMPORTS = """
import sys
import keras_hub
before = set(sys.modules)
import keras_rtd
print(*sorted(set(sys.modules) - before))
for path in sys.argv[1:]:
    eval(path)
"""


def test_import_brings_nothing_heavy():
    paths = [
        *(p for p in PACKAGES),
        "keras_rtd.interop.huggingface.load",
        "keras_rtd.interop.keras_hub.save",
        "keras_rtd.interop.google.load",
        "keras_rtd.export.saved_model",
        "keras_rtd.data.readers.register",
    ]
    new = subprocess.run(
        [sys.executable, "-c", IMPORTS, *paths],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT.parent,
        env={**os.environ, "KERAS_BACKEND": "torch"},
    ).stdout.split()
    roots = {name.partition(".")[0] for name in new}
    heavy = {"tensorflow", "jax", "scipy", "sklearn", "transformers", "onnx"}
    heavy |= {"apache_beam", "gcsfs", "safetensors", "starlette", "tensorboard"}
    assert not roots & heavy
    for name in ("finetuning", "pretraining", "serve"):
        assert f"keras_rtd.{name}" not in new
