"""The weights of a model as the tensors of another library's file.

A family's conversion names each tensor and says which of our variables it
holds, in one description for both directions.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file.

    Args:
        variables: list of the variables that it holds.
        join: function of their arrays that gives the tensor's.
        split: function of the tensor's array that gives theirs, a list.
        optional: bool. A tensor of zeros is not written, and one that is not
            there is read as zeros. Defaults to `False`.
    """

    variables: list[Any]
    join: Callable[..., Any]
    split: Callable[..., Any]
    optional: bool = False

    def array(self):
        """float32, as the file has it."""
        values = [ops.convert_to_numpy(v) for v in self.variables]
        return np.ascontiguousarray(self.join(values), "float32")

    def assign(self, array):
        """The inverse of `array`."""
        values = self.split(np.asarray(array, "float32"))
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)


def plain(variable, optional=False):
    """A tensor that is a variable."""
    return StoredTensor(
        [variable], lambda a: a[0], lambda array: [array], optional
    )


def kernel(*variables):
    """A matrix (outputs, inputs) of one or more (inputs, outputs)."""
    return StoredTensor(
        list(variables),
        lambda arrays: np.concatenate(arrays, axis=1).T,
        lambda array: np.split(array.T, len(variables), axis=1),
    )


def table(variable, rows):
    """A token table without its padding rows."""
    extra = variable.shape[0] - rows
    return StoredTensor(
        [variable],
        lambda arrays: arrays[0][:rows],
        lambda array: [np.pad(array, ((0, extra), (0, 0)))],
    )


def second_of_two(variable):
    """The class "yes" of two, where we have one logit: "no" has logit 0."""

    def join(arrays):
        row = arrays[0].T
        return np.concatenate([np.zeros_like(row), row])

    return StoredTensor(
        [variable], join, lambda array: [(array[1:] - array[:1]).T]
    )


def read(tensors):
    """Arrays by name, without optional ones of zeros."""
    arrays = {name: tensor.array() for name, tensor in tensors.items()}
    return {
        name: array
        for name, array in arrays.items()
        if array.any() or not tensors[name].optional
    }


def assign(tensors, arrays, where):
    """Write arrays into the variables.

    Args:
        tensors: dict of names to `StoredTensor`.
        arrays: dict of names to arrays; more than needed is no error.
        where: string. Names the source in messages.

    Raises:
        ValueError: arrays that are missing or of another shape, all of them,
            or NaN or infinite. Nothing is written then.
    """
    zeros = {
        name: np.zeros_like(tensor.array())
        for name, tensor in tensors.items()
        if tensor.optional
    }
    arrays = {**zeros, **arrays}
    shapes = {name: tensor.array().shape for name, tensor in tensors.items()}
    check_shapes(shapes, arrays, where)
    check_finite({name: arrays[name] for name in tensors}, where)
    for name, tensor in tensors.items():
        tensor.assign(arrays[name])


def check_finite(arrays, where):
    """Raises `ValueError` for NaN or infinite numbers, naming the arrays.

    Args:
        arrays: dict of names to arrays.
        where: string. Names the source in the message.
    """
    wrong = [n for n, a in arrays.items() if not np.isfinite(a).all()]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(
            f"{where} has NaN or infinite numbers in {', '.join(wrong[:3])}"
            f"{more}: its training went wrong, or the file is damaged."
        )


def check_shapes(expected, arrays, where):
    """Compare names and shapes.

    Args:
        expected: dict of names to shapes.
        arrays: dict of names to arrays or shapes.
        where: string. Names the source in the message.

    Raises:
        ValueError: listing every missing name with the shape it should have,
            and every wrong shape.
    """
    lines = []
    for name, shape in expected.items():
        if name not in arrays:
            lines.append(f"  missing: {name} {list(shape)}")
            continue
        found = tuple(getattr(arrays[name], "shape", arrays[name]))
        if found != tuple(shape):
            lines.append(
                f"  wrong shape: {name} is {list(found)}, "
                f"should be {list(shape)}"
            )
    if lines:
        raise ValueError(
            f"{where} is not a whole model of this configuration, "
            f"{len(lines)} weights are wrong:\n" + "\n".join(lines)
        )
