"""Settings of a recipe: fields of a dataclass, and flags."""

import argparse
import dataclasses
import shlex


class ConfigError(ValueError):
    """A setting that cannot be used; the message names it."""


def setting(default, help, choices=None, nargs=None):
    """A dataclass field with what the command line needs to know."""
    metadata = {"help": help, "choices": choices, "nargs": nargs}
    return dataclasses.field(default=default, metadata=metadata)


class _Parser(argparse.ArgumentParser):
    """Ends with one line, where argparse prints the whole usage."""

    def error(self, message):
        self.exit(2, f"error: {message}\n")


class _RaisingParser(argparse.ArgumentParser):
    def error(self, message):
        raise ConfigError(message)


def parse_arguments(config_class, description, argv=None):
    """A config from the command line.

    Args:
        config_class: `PretrainConfig` or a subclass.
        description: string. The recipe's docstring, shown by `--help`.
        argv: list of strings or `None` for `sys.argv`.

    Returns:
        An instance of `config_class`. A bad value ends the program with one
        line that names it, and exit status 2.
    """
    parser = _Parser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_flags(parser, config_class)
    values = vars(parser.parse_args(argv))
    if isinstance(values["data"], list):
        values["data"] = tuple(values["data"])
    try:
        return config_class(**values)
    except ConfigError as e:
        parser.error(str(e))


def parse_flags(config_class, flags):
    """Only the settings that flags give, as a dict.

    Args:
        config_class: `PretrainConfig` or a subclass.
        flags: string, as on a command line.

    Raises:
        ConfigError: an unknown flag or a value of another type.
    """
    parser = _RaisingParser(
        argument_default=argparse.SUPPRESS, allow_abbrev=False
    )
    _add_flags(parser, config_class, with_defaults=False)
    return vars(parser.parse_args(shlex.split(flags)))


def _add_flags(parser, config_class, with_defaults=True):
    for field in dataclasses.fields(config_class):
        metadata = field.metadata
        keywords = {"help": metadata["help"]}
        if with_defaults:
            keywords["default"] = field.default
        if field.default not in (None, ()):
            keywords["help"] += f" (default {field.default})"
        if field.type is bool:
            keywords["action"] = "store_true"
        else:
            keywords["type"] = _value_type(field.type)
            keywords["choices"] = metadata["choices"]
            keywords["nargs"] = metadata["nargs"]
        parser.add_argument(f"--{field.name}", **keywords)


def _value_type(annotation):
    for kind in (int, float):
        if annotation in (kind, kind | None):
            return kind
    return str
