"""What `dir()` lists of a package, and names that are imported on use."""

import importlib
import sys
from collections.abc import Callable
from typing import Any


def listed(package: str) -> Callable[[], list[str]]:
    """The `__dir__` of a package: its `__all__` and what Python adds.

    Args:
        package: string, its `__name__`.
    """

    def names():
        module = sys.modules[package]
        added = (n for n in vars(module) if n[:2] == n[-2:] == "__")
        return sorted({*module.__all__, *added})

    return names


def on_use(package: str, modules: dict[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package some of whose names cost time to import.

    Type checkers do not see through it: import the names under
    `TYPE_CHECKING` too.

    Args:
        package: string, its `__name__`.
        modules: dict of each name to the module that has it, or is it.
    """

    def find(name):
        if name not in modules:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}"
            )
        module = importlib.import_module(modules[name])
        is_it = modules[name] == f"{package}.{name}"
        return module if is_it else getattr(module, name)

    return find
