"""Settings: dataclass fields that carry their help text and their range.

A setting is defined once, beside what it configures. The command line, config
files and error messages are made from the field.
"""

import dataclasses
import difflib
import math
import numbers
import operator

from keras_rtd.utils.json_file import shown

# Name of a bound, its test, and its words.
BOUNDS = {
    "above": (operator.gt, "above {}"),
    "at_least": (operator.ge, "at least {}"),
    "below": (operator.lt, "below {}"),
    "at_most": (operator.le, "at most {}"),
}


# Steps, rows and seeds are int32 on some backend.
LARGEST_INT = 2**31 - 1


class ConfigError(ValueError):
    """Settings that cannot be used; the message names the flag."""


class SettingError(ValueError):
    """A setting that cannot be used.

    Attributes:
        name: string, the field's name.
        rule: string, what it must be: "above 0".
        value: the value received.
    """

    def __init__(self, name, rule, value):
        super().__init__(f"`{name}` must be {rule}. Received: {shown(value)}")
        self.name, self.rule, self.value = name, rule, value


def setting(
    default,
    help,
    *,
    choices=None,
    nargs=None,
    flag=True,
    free=False,
    preset=False,
    none=None,
    **bounds,
):
    """A dataclass field for a setting.

    Args:
        default: its default; `None` means "not given" and passes every bound.
        help: string. One whole sentence with the unit, for `--help`.
        choices: tuple of the allowed values or `None`.
        nargs: as of `argparse`, for a tuple of values, or `None`.
        free: bool. Whether a continued run may change it, as its result stays
            the same. Defaults to `False`.
        preset: bool. Whether a preset has it; `default` is then for presets
            that do not say. Defaults to `False`.
        none: string or `None`. What the default `None` stands for, in words.
        flag: bool. `False` where another setting decides this one, so that
            the command line has no flag for it. Defaults to `True`.
        **bounds: `above`, `at_least`, `below`, `at_most`: numbers.
    """
    if unknown := set(bounds) - set(BOUNDS):
        raise TypeError(f"unknown bounds: {sorted(unknown)}")
    metadata = {
        "help": help,
        "choices": choices,
        "nargs": nargs,
        "free": free,
        "preset": preset,
        "none": none,
        "flag": flag,
        "bounds": bounds,
    }
    return dataclasses.field(default=default, metadata=metadata)


def check_settings(settings):
    """Check the choices and bounds of every field.

    Args:
        settings: instance of a dataclass whose fields come from `setting`.

    Raises:
        SettingError: the first bad value.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value is None or not field.metadata:
            continue
        choices = field.metadata.get("choices")
        if choices and value not in choices:
            rule = f"one of {', '.join(map(str, choices))}"
            raise SettingError(field.name, rule, value)
        for one in value if isinstance(value, tuple) else [value]:
            _check_size(field.name, one)
        for bound, limit in field.metadata.get("bounds", {}).items():
            test, words = BOUNDS[bound]
            if not test(value, limit):
                raise SettingError(field.name, words.format(limit), value)


def _check_size(name, value):
    """What no bound of a setting says: numbers that programs can hold."""
    if is_int(value) and abs(value) > LARGEST_INT:
        raise SettingError(name, f"at most {LARGEST_INT:,}", value)
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingError(name, "a finite number", value)


class Settings:
    """Base of a group of settings, a frozen dataclass, which it checks.

    Raises:
        SettingError: a value out of range, or none of the choices.
    """

    def __post_init__(self):
        check_settings(self)


def is_int(value):
    """Whether a value is an integer, of Python or NumPy, and no bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def check_int(name, value, least, most=LARGEST_INT):
    """Raises `SettingError` unless `value` is an int from `least` to `most`."""
    if not is_int(value) or value < least:
        raise SettingError(name, f"an int of at least {least}", value)
    if value > most:
        raise SettingError(name, f"at most {most:,}", value)


def nearest(name, known):
    """ ", did you mean …?" for a name that is not among `known`, or ""."""
    found = difflib.get_close_matches(str(name), [str(k) for k in known], 1)
    return f", did you mean {found[0]!r}?" if found else ""
