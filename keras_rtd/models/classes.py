"""Numbers and names of classes."""

from typing import Any

import keras
import numpy as np
from keras import ops


def check_classes(num_classes, class_names):
    """(num_classes, class_names or `None`), each following from the other.

    Raises:
        ValueError: neither is given, or they disagree.
    """
    if class_names is not None:
        class_names = [str(name) for name in class_names]
        if len(set(class_names)) != len(class_names):
            raise ValueError(
                f"`class_names` must differ. Received: {class_names}"
            )
        if num_classes is None:
            num_classes = len(class_names)
        if num_classes != len(class_names):
            raise ValueError(
                f"`num_classes` is {num_classes}, but there are "
                f"{len(class_names)} `class_names`."
            )
    if (
        isinstance(num_classes, bool)
        or not isinstance(num_classes, int)
        or num_classes < 1
    ):
        raise ValueError(
            "`num_classes` must be an int of at least 1, or `class_names` a "
            f"list. Received: num_classes={num_classes!r}"
        )
    return num_classes, class_names


def check_new_head(cls, preset, kwargs):
    """Raise where neither number nor names of the classes are known."""
    if not {"num_classes", "class_names"} & set(kwargs):
        raise ValueError(
            f"The preset {str(preset)!r} holds no {cls.__name__}, so its head "
            "is new: say `num_classes` or `class_names`."
        )


def class_of(label, class_names, num_classes):
    """The number of a class: an int.

    Args:
        label: string, one of the names, or int.
        class_names: list of string or `None`.
        num_classes: int.

    Raises:
        ValueError: no such class.
    """
    if isinstance(label, bytes):
        label = label.decode()
    if isinstance(label, str):
        label = str(label)
        if class_names is None:
            raise ValueError(
                f"The label {label!r} is a string: give the task "
                "`class_names`, or use int labels."
            )
        if label not in class_names:
            raise ValueError(
                f"The label {label!r} is none of the classes {class_names}."
            )
        return class_names.index(label)
    if label != label or int(label) != label or not 0 <= label < num_classes:
        raise ValueError(
            f"The label {label} is no class: classes are ints from 0 to "
            f"{num_classes - 1}."
        )
    return int(label)


def classes_of(labels, class_names, num_classes):
    """int32 array of `class_of` of each label, of the labels' shape.

    Raises:
        ValueError: as `class_of`.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind in "USO":
        numbers = [class_of(x, class_names, num_classes) for x in labels.flat]
        return np.array(numbers, "int32").reshape(labels.shape)
    outside = labels[
        ~((labels >= 0) & (labels < num_classes) & (labels == labels // 1))
    ]
    if outside.size:
        class_of(outside.flat[0].item(), class_names, num_classes)
    return labels.astype("int32")


def numbers_in_graph(labels, class_names):
    """int32 tensor of the classes of TensorFlow strings, -1 for no class.

    Raises:
        ValueError: the task has no names.
    """
    import tensorflow as tf

    if class_names is None:
        raise ValueError(
            "The labels are strings: give the task `class_names`, or use int "
            "labels."
        )
    same = tf.cast(labels[..., None] == tf.constant(class_names), "int32")
    found = tf.argmax(same, axis=-1, output_type="int32")
    return tf.where(tf.reduce_sum(same, axis=-1) > 0, found, -1)


@keras.saving.register_keras_serializable(package="keras_rtd")
class ClassLoss(keras.losses.SparseCategoricalCrossentropy):
    """Keras's loss of int labels, NaN for a label that is no class.

    JAX would take such a label for a loss of zero, and others stop with a
    message of their own.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        labels = ops.cast(y_true, "int32")
        count = y_pred.shape[-1]
        losses = super().call(ops.clip(labels, 0, count - 1), y_pred)
        right = ops.logical_and(labels >= 0, labels < count)
        return ops.where(ops.reshape(right, ops.shape(losses)), losses, np.nan)
