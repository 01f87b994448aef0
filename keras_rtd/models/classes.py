"""Numbers and names of classes."""


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
