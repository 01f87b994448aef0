"""What is corrupted, what is predicted, how the losses combine."""

from keras_rtd.objectives.electra import Electra

OBJECTIVES = {objective.name: objective for objective in (Electra,)}


def get(name, **options):
    """The objective of this name.

    Raises:
        ValueError: an unknown name, with the known ones.
    """
    if name not in OBJECTIVES:
        raise ValueError(
            f"Unknown objective {name!r}. Known: {', '.join(OBJECTIVES)}"
        )
    return OBJECTIVES[name](**options)
