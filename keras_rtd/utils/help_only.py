"""Placeholders for Keras and its backends while a command shows its help.

Settings stand beside the models that they configure, so that a command's
`--help` imports both. It reads the settings alone: with placeholders for the
libraries that models are made of, it takes half a second in place of many.
"""

import abc
import importlib.abc
import importlib.machinery
import os
import pathlib
import sys
import types

LIBRARIES = (
    "jax",
    "keras",
    "keras_hub",
    "scipy",
    "sklearn",
    "tensorboard",
    "tensorflow",
    "tensorflow_text",
    "tokenizers",
    "torch",
    "transformers",
)
RECIPES = pathlib.Path(__file__).parents[2] / "recipes"


def is_command():
    """Whether this process is a command of this package."""
    if sys.argv[0] == "-m":
        module = sys.orig_argv[sys.orig_argv.index("-m") + 1]
        return module.partition(".")[0] == "keras_rtd"
    program = pathlib.Path(sys.argv[0]).resolve()
    return program.parent == RECIPES or program.stem == "keras-rtd"


def is_asked():
    """Whether a command of this package is to show its help."""
    words = sys.argv[1:]
    if not words and pathlib.Path(sys.argv[0]).stem == "keras-rtd":
        return True  # It lists its commands.
    return any(w in ("-h", "--help") or w[:7] == "--help=" for w in words)


def use_placeholders():
    """Import placeholders for `LIBRARIES` from now on, in this process."""
    if not any(name in sys.modules for name in LIBRARIES):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in LIBRARIES:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Module(spec.name)

    def exec_module(self, module):
        pass


class _Module(types.ModuleType):
    def __getattr__(self, name):
        if name[:2] == "__":
            raise AttributeError(name)
        return _placeholder(self, name)


class _Kind(abc.ABCMeta):
    """A placeholder is a class: it can be a base, a type or a decorator."""

    def __getattr__(cls, name):
        if name[:2] == "__":
            raise AttributeError(name)
        return _placeholder(cls, name)

    def __call__(cls, *args, **kwargs):
        if cls.__name__ == "backend":
            return os.environ.get("KERAS_BACKEND", "tensorflow")
        # A decorator gives what it decorates.
        return args[0] if len(args) == 1 and callable(args[0]) else cls


def _placeholder(owner, name):
    value = _Kind(name, (), {})
    setattr(owner, name, value)
    return value
