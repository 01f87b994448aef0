"""A command's flags and help, made from its settings."""

import argparse
import shlex
import sys
import textwrap

from keras_rtd.utils.setting import ConfigError
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import nearest
from keras_rtd.utils.settings import NONE
from keras_rtd.utils.settings import as_flags
from keras_rtd.utils.settings import flags_of
from keras_rtd.utils.settings import read_file
from keras_rtd.utils.settings import typed

WIDTH = 96
# Where the sentence of a flag begins.
INDENT = 33
TYPES = {int: "N", float: "X", str: "TEXT"}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ConfigError(message)


def parse(flags, description, defaults=None, argv=None, old=None):
    """The settings that a command line and its `--config` file give.

    `--help` ends the program; see `help_text`.

    Args:
        flags: dict of name to `Flag`.
        description: string, for the top of the help.
        defaults: dict of the command's own defaults, for the help.
        argv: list of strings or `None` for `sys.argv`.
        old: see `keras_rtd.utils.settings.typed`.

    Returns:
        dict of name to value; flags are over the file. What is not given is
        not there.

    Raises:
        ConfigError: an unknown flag or key, or a value of another type.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    topic = _help_topic(argv)
    if topic is not None:
        print(help_text(flags, description, defaults or {}, topic))
        sys.exit(0)
    path, values = _parse(flags, argv, old)
    if path is None:
        return values
    return {**read_file(path, flags, old), **values}


def parse_group(cls, description, argv=None, name="settings"):
    """The settings of a command that has one group.

    Args:
        cls: the group's dataclass.
        description, argv: as of `parse`.
        name: string, the group's name in files. Defaults to `"settings"`.

    Returns:
        An instance of `cls`.

    Raises:
        ConfigError: see `parse`; a value that the group refuses.
    """
    flags = flags_of([(name, cls)])
    given = parse(flags, description, None, argv)
    try:
        return cls(**{k: None if v == NONE else v for k, v in given.items()})
    except SettingError as e:
        raise ConfigError(as_flags(e, flags)) from e


def parse_text(flags, text, old=None):
    """The settings that a text such as `--name=value ...` gives: dict.

    Raises:
        ConfigError: as `parse`.
    """
    path, values = _parse(flags, shlex.split(text), old)
    if path is not None:
        raise ConfigError("--config must be left out here")
    return values


def _parse(flags, argv, old):
    parser = _Parser(
        argument_default=argparse.SUPPRESS, allow_abbrev=False, add_help=False
    )
    parser.add_argument("--config")
    for name, flag in flags.items():
        if flag.kind is bool:
            parser.add_argument(f"--{name}", nargs="?", const=True)
            parser.add_argument(
                f"--no_{name}", dest=name, action="store_const", const=False
            )
        elif flag.kind is not dict:
            parser.add_argument(
                f"--{name}", nargs="+" if flag.several else None
            )
    for name in set(old or ()) - set(flags):
        parser.add_argument(f"--{name}")
    known, unknown = parser.parse_known_args(argv)
    if unknown:
        name = unknown[0].lstrip("-").partition("=")[0]
        if not unknown[0].startswith("-"):
            raise ConfigError(f"{unknown[0]!r} belongs to no flag")
        raise ConfigError(
            f"--{name} is no setting{nearest(name, flags) or '.'} "
            "--help lists them."
        )
    values = vars(known)
    path = values.pop("config", None)
    return path, typed(values, flags, old)


def _help_topic(argv):
    """What `--help` asks for: "" without a topic; `None` without `--help`."""
    for i, word in enumerate(argv):
        if word in ("--help", "-h"):
            following = argv[i + 1 : i + 2]
            return (
                "" if not following or following[0][0] == "-" else following[0]
            )
        if word.startswith("--help="):
            return word.partition("=")[2]
    return None


def help_text(flags, description, defaults, topic=""):
    """The text of `--help` or `--help=TOPIC`.

    Args:
        flags: dict of name to `Flag`.
        description: string.
        defaults: dict of the command's own defaults.
        topic: string. A group or a flag, `"all"`, or "" for the groups with
            the names of their flags (all flags where there is one group).

    Raises:
        ConfigError: an unknown topic.
    """
    groups: dict = {}
    for flag in flags.values():
        if flag.kind is not dict:
            groups.setdefault(flag.group, []).append(flag)
    topic = topic.lstrip("-")
    if topic in groups:
        return _group_help(topic, groups[topic], defaults)
    if topic in flags:
        return flag_help(flags[topic], defaults)
    whole = [_group_help(name, fs, defaults) for name, fs in groups.items()]
    if topic == "all":
        return "\n\n".join([description.strip(), *whole, CONFIG])
    if topic:
        raise ConfigError(
            f"--help has no {topic!r}"
            f"{nearest(topic, [*groups, *flags]) or '.'} Groups: "
            f"{', '.join(groups)}, all"
        )
    if len(groups) == 1:
        return "\n\n".join([description.strip(), *whole])
    listed = [
        textwrap.fill(
            " ".join(f"--{flag.name}" for flag in members),
            WIDTH,
            initial_indent=f"  {name:<12}",
            subsequent_indent=" " * 14,
            break_on_hyphens=False,
        )
        for name, members in groups.items()
    ]
    return "\n".join(
        [
            description.strip(),
            "",
            "Settings by group. --help=GROUP, --help=FLAG or --help=all "
            "explains them.",
            *listed,
            "",
            CONFIG,
        ]
    )


CONFIG = (
    "--config FILE reads settings from YAML or JSON, also from a run's "
    "config.json.\nFlags are over the file, and the file is over the preset. "
    "What is not given is the preset's.\n--FLAG says yes and --no_FLAG says "
    "no; --FLAG=none takes away what the preset has."
)


def _group_help(name, members, defaults):
    lines = [f"{name}:"]
    lines += [flag_help(flag, defaults) for flag in members]
    return "\n".join(lines)


def flag_help(flag, defaults):
    """The help of one `Flag`: a sentence with its default."""
    head = f"  --{flag.name}"
    if flag.kind is not bool:
        head += f" {TYPES[flag.kind]}{' ...' if flag.several else ''}"
    text = flag.about.get("help") or f"Option of the objective, {flag.name}."
    if flag.choices:
        text += f" One of {', '.join(flag.choices)}."
    text += f" Default: {_default(flag, defaults)}."
    start = head + " " * max(2, INDENT - len(head))
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _default(flag, defaults):
    if flag.name in defaults:
        return _shown(flag, defaults[flag.name])
    if flag.about.get("none"):
        return flag.about["none"]
    if flag.about.get("preset") or flag.group == "objective":
        if flag.default is None:
            return "the preset's"
        return f"the preset's, or {_shown(flag, flag.default)}"
    return _shown(flag, flag.default)


def _shown(flag, value):
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if value >= 10_000 else str(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
