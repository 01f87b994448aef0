"""The objectives that are known by name."""

import dataclasses
from typing import Any
from typing import TypeVar
from typing import dataclass_transform

from keras_rtd.objectives.base import Objective
from keras_rtd.utils.setting import nearest
from keras_rtd.utils.setting import setting

# What `objective=` and `--objective` take.
OBJECTIVES: dict[str, type[Objective]] = {}

# Objectives of earlier versions.
REMOVED = ("amos",)

Class = TypeVar("Class", bound=type[Objective])


@dataclass_transform(kw_only_default=True, field_specifiers=(setting,))
def register(cls: Class) -> Class:
    """Make a subclass of `Objective` known by its `name`.

    A class decorator. It makes the class a dataclass, whose fields, made with
    `keras_rtd.utils.setting.setting`, are the objective's options.

    Args:
        cls: the class.

    Returns:
        `cls`.

    Raises:
        ValueError: no name, or one that another class has.
    """
    known = OBJECTIVES.get(cls.name)
    # The same class again: a notebook cell that runs twice.
    same = known is not None and known.__qualname__ == cls.__qualname__
    if not cls.name or (known is not None and not same):
        raise ValueError(
            f"{cls.__name__} needs a `name` of its own. Received: {cls.name!r}"
        )
    if "__dataclass_fields__" not in vars(cls):
        dataclasses.dataclass(kw_only=True, eq=False)(cls)
    OBJECTIVES[cls.name] = cls
    return cls


def find(name: str) -> type[Objective]:
    """The class of an objective.

    Args:
        name: string, see `OBJECTIVES`.

    Returns:
        A subclass of `Objective`.

    Raises:
        ValueError: an unknown name, with the known ones.
    """
    if name in REMOVED:
        raise ValueError(
            f"The objective {name!r} was removed. Use another one: "
            f"{', '.join(OBJECTIVES)}"
        )
    if name not in OBJECTIVES:
        raise ValueError(
            f"Unknown objective {name!r}{nearest(name, OBJECTIVES) or '.'} "
            f"Known: {', '.join(OBJECTIVES)}"
        )
    return OBJECTIVES[name]


def get(name: str, **options: Any) -> Objective:
    """An objective with its options.

    Args:
        name: string, see `OBJECTIVES`.
        **options: values for `option_names(name)`; the rest have defaults.

    Returns:
        `Objective`.

    Raises:
        ValueError: an unknown name or option, or a value out of range.
    """
    known = option_names(name)
    for option in options:
        if option not in known:
            raise ValueError(
                f"The objective {name!r} has no option {option!r}"
                f"{nearest(option, known) or '.'} Known: "
                f"{', '.join(known) or 'none'}"
            )
    return find(name)(**options)


def option_names(name: str) -> list[str]:
    """What `objective_config` of an objective may hold.

    Args:
        name: string, see `OBJECTIVES`.

    Returns:
        list of string.

    Raises:
        ValueError: an unknown name, with the known ones.
    """
    return [field.name for field in dataclasses.fields(find(name))]
