"""Private names of Keras and KerasHub stand in `keras_internals.py` alone."""

import ast
import functools
import importlib
import inspect
import itertools
import pathlib
import pkgutil

import keras

import keras_rtd
from keras_rtd import keras_internals as internals

PACKAGE = pathlib.Path(keras_rtd.__file__).parent
BACKEND = keras.config.backend()
# Modules whose private names are none of Keras's.
OTHERS = ("os", "torch")


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def trees():
    """(path within the package, its syntax tree) of all other modules."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name != "keras_internals.py":
            name = path.relative_to(PACKAGE).as_posix()
            yield name, ast.parse(path.read_text("utf-8"))


def test_nothing_else_imports_private_modules():
    found = []
    for name, tree in trees():
        for node in ast.walk(tree):
            modules = []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.Attribute):
                modules = [ast.unparse(node)]
            for module in modules:
                if module.startswith(("keras.src", "keras_hub.src")):
                    found.append(f"{name}:{node.lineno} {module}")
    assert not found


def test_private_attributes_are_our_own():
    """A private attribute of anything is one that this package gives."""
    ours, used = set(), []
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                ours.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                ours.add(node.id)
            elif isinstance(node, ast.Attribute) and is_private(node.attr):
                owner = ast.unparse(node.value)
                if owner == "self" and isinstance(node.ctx, ast.Store):
                    ours.add(node.attr)
                elif owner not in OTHERS:
                    used.append(
                        (node.attr, f"{name}:{node.lineno} {owner}.{node.attr}")
                    )
    assert not [where for attribute, where in used if attribute not in ours]


def our_classes():
    for found in pkgutil.walk_packages([str(PACKAGE)], "keras_rtd."):
        module = found.name
        last = module.rsplit(".", 1)[1]
        others = {"tensorflow", "jax", "torch"} - {BACKEND}
        if last == "__main__" or set(last.split("_")) & others:
            continue
        try:
            things = vars(importlib.import_module(module)).values()
        except ModuleNotFoundError as e:
            # An extra that is not installed, such as Apache Beam.
            assert not e.name.startswith("keras")
            continue
        for thing in things:
            if inspect.isclass(thing) and thing.__module__ == module:
                if module != "keras_rtd.keras_internals":
                    yield thing


def private_names(cls):
    """Of a class's own body: methods, and attributes of `self`."""
    try:
        tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(cls)))
    except (OSError, TypeError):
        return {name for name in vars(cls) if is_private(name)}
    return {
        name
        for node in ast.walk(tree)
        for name in [getattr(node, "attr", getattr(node, "name", None))]
        if isinstance(node, ast.Attribute | ast.FunctionDef)
        and is_private(name)
    } | {name for name in vars(cls) if is_private(name)}


def test_no_class_of_ours_shares_a_private_name_with_keras():
    """Neither overridden by accident nor used on purpose."""
    names = functools.cache(private_names)
    shared = {}
    for cls in set(our_classes()):
        # Mixins meet Keras's classes only in a class of both.
        for ours, theirs in itertools.product(cls.__mro__, repeat=2):
            if (
                ours.__module__.startswith("keras_rtd.")
                and ours.__module__ != internals.__name__
                and theirs.__module__.startswith(("keras.src", "keras_hub.src"))
            ):
                common = names(ours) & names(theirs)
                if common:
                    shared[f"{ours.__name__}, {theirs.__name__}"] = common
    assert not shared
