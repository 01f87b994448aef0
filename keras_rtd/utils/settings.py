"""Groups of settings: their flags, their files, and one flat name for each.

A group is a frozen dataclass whose fields come from `setting`. A command has
several; the name of a setting is unique among them and is its flag's.
"""

import dataclasses
import json
import re
import types
import typing
from collections.abc import Mapping

import yaml

from keras_rtd.utils import json_file
from keras_rtd.utils.reading import read_utf8
from keras_rtd.utils.setting import ConfigError
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import nearest

KINDS = (bool, int, float, str, dict)
WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    dict: "a mapping of names to values",
}
BOOLS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
# Sections of a run's config.json that are no settings.
ENVIRONMENT = "environment"
# In a file or as a flag: no value, where the preset has one.
NONE = "none"
# Bytes of a file of settings.
_LARGEST = 1 << 20


@dataclasses.dataclass(frozen=True)
class Flag:
    """One setting of a command.

    Attributes:
        group: string, name of its group.
        name: string.
        kind: type of the value, or of each where there are several.
        several: bool. Whether it takes a list of values.
        optional: bool. Whether it may be `None`.
        default: its default.
        about: the field's metadata, see `keras_rtd.utils.setting.setting`.
    """

    group: str
    name: str
    kind: type
    several: bool
    optional: bool
    default: typing.Any
    about: Mapping

    @property
    def choices(self):
        return self.about.get("choices")

    def read(self, value):
        """The value that a command line or a file gives, in its type.

        Raises:
            SettingError: a value of another type.
        """
        if not self.several:
            return self._one(value)
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(self._one(v) for v in values)

    def _one(self, value):
        text = isinstance(value, str)
        try:
            if self.kind is bool:
                if isinstance(value, bool):
                    return value
                return BOOLS[value.lower()]
            if isinstance(value, bool) or value is None:
                raise ValueError
            if self.kind is int and not text and value != int(value):
                raise ValueError
            if self.kind is dict:
                return dict(value)
            if self.kind is str and not isinstance(value, str | int | float):
                raise ValueError
            return self.kind(value)
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            OverflowError,
        ):
            raise SettingError(self.name, WORDS[self.kind], value) from None


def flags_of(groups):
    """The flags of a command: dict of name to `Flag`.

    Args:
        groups: list of (name, dataclass). Of a name that several have, the
            first owns it. Fields of other types than numbers, strings, bools
            and tuples of these are no flags, nor are those with `flag=False`.
    """
    found = {}
    for group, cls in groups:
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            kind, several, optional = _kind(hints[field.name])
            is_flag = kind in KINDS and field.metadata.get("flag", True)
            if is_flag and field.name not in found:
                default = field.default
                if field.default_factory is not dataclasses.MISSING:
                    default = field.default_factory()
                found[field.name] = Flag(
                    group,
                    field.name,
                    kind,
                    several,
                    optional,
                    default,
                    field.metadata,
                )
    return found


def _kind(hint):
    """(type of one value, whether there are several, whether it may be
    `None`)."""
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [t for t in typing.get_args(hint) if t is not type(None)]
        optional = len(inner) < len(typing.get_args(hint))
        hint = inner[0] if len(inner) == 1 else None
    if hint is tuple or typing.get_origin(hint) is tuple:
        kinds = typing.get_args(hint)
        return (kinds[0] if kinds else str), True, optional
    return typing.get_origin(hint) or hint, False, optional


def make_group(cls, values):
    """A group with those of the values that it has.

    Args:
        cls: dataclass.
        values: dict of setting to value.

    Raises:
        SettingError: see `check_settings`.
    """
    names = {field.name for field in dataclasses.fields(cls)}
    return cls(**{k: v for k, v in values.items() if k in names})


def as_flags(message, flags):
    """A message with `--name` in place of `` `name` ``."""

    def flag(match):
        return f"--{match[1]}" if match[1] in flags else match[0]

    return re.sub(r"`(\w+)`", flag, str(message))


def as_json(value):
    """A value as JSON can hold it."""
    if isinstance(value, tuple | list):
        return [as_json(v) for v in value]
    return dict(value) if isinstance(value, Mapping) else value


def typed(values, flags, old=None, path=None):
    """Values in their types, under today's names.

    Args:
        values: dict of name to what a command line or a file gives. `None` is
            as if it were not there; `"none"` says that there is none.
        flags: dict of name to `Flag`.
        old: dict of a name to a function for what earlier versions took:
            of the value and `path`, it returns a dict of today's settings.
        path: string, the file that gives them, or `None` for flags.

    Raises:
        ConfigError: an unknown name, with the nearest known one, a value of
            another type, or a setting that no longer exists.
    """
    found: dict = {}
    where = f"--config {path}: " if path else ""
    for name, value in values.items():
        if name not in flags and name not in (old or ()):
            known = {*flags, *(flag.group for flag in flags.values())}
            raise ConfigError(
                f"{where}{name!r} is no setting{nearest(name, sorted(known))}"
            )
        if value is None:
            continue
        found |= (
            old[name](value, path) if name in (old or ()) else {name: value}
        )
    try:
        return {
            name: value
            if value == NONE and flags[name].optional
            else flags[name].read(value)
            for name, value in found.items()
        }
    except SettingError as e:
        raise ConfigError(where + as_flags(e, flags)) from e


def read_file(path, flags, old=None):
    """The settings of a YAML or JSON file.

    Groups may be nested, and names may stand at the top.

    Args:
        path: string.
        flags, old: see `typed`.

    Returns:
        dict of name to value.

    Raises:
        ConfigError: a file that cannot be read, an unknown name, a name that
            stands there twice or a value of another type.
    """
    groups = {flag.group for flag in flags.values()}
    found: dict = {}

    def add(name, value):
        if name in found:
            raise ConfigError(f"--config {path} has {name!r} twice")
        found[name] = value

    for key, value in _load(path).items():
        key = "optimizer" if key == "optimiser" else key
        if key in groups and isinstance(value, Mapping):
            for name, inner in value.items():
                if name not in flags and f"{key}_{name}" in flags:
                    name = f"{key}_{name}"
                add(name, inner)
        elif key != ENVIRONMENT:
            add(key, value)
    return typed(found, flags, old, path)


def _load(path):
    try:
        text = read_utf8(path, _LARGEST)
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or e
        raise ConfigError(f"--config {path} cannot be read: {reason}") from e
    try:
        if str(path).endswith(".json"):
            values = json.loads(text)
        else:
            values = yaml.safe_load(text)
    except json.JSONDecodeError as e:
        raise ConfigError(f"--config {path}, line {e.lineno}: {e.msg}") from e
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(e, "problem", None) or "no YAML"
        raise ConfigError(f"--config {path}{line}: {problem}") from e
    except (ValueError, RecursionError) as e:
        reason = "nested too deep" if isinstance(e, RecursionError) else e
        raise ConfigError(f"--config {path}: {reason}") from e
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"--config {path} must hold names and values, such as "
            "`learning_rate: 0.001`"
        )
    # An alias of an alias of an alias is small in the file only.
    try:
        json_file.check_depth(values, f"--config {path}", 10_000)
    except ValueError as e:
        raise ConfigError(str(e)) from e
    return values
