"""What is corrupted, what is predicted, how the losses combine."""

import dataclasses

from keras_rtd.objectives.electra import Electra
from keras_rtd.objectives.electra import Electra15
from keras_rtd.objectives.electric import Electric
from keras_rtd.objectives.masked_lm import AllTokensMLM
from keras_rtd.objectives.masked_lm import CorrectiveLM
from keras_rtd.objectives.masked_lm import MaskedLM
from keras_rtd.objectives.masked_lm import ReplaceMLM

OBJECTIVES = {
    objective.name: objective
    for objective in (
        Electra,
        MaskedLM,
        ReplaceMLM,
        AllTokensMLM,
        Electra15,
        Electric,
        CorrectiveLM,
    )
}


def get(name, **options):
    """The objective of this name.

    Raises:
        ValueError: an unknown name or option, with the known ones.
    """
    unknown = sorted(set(options) - set(option_names(name)))
    if unknown:
        raise ValueError(
            f"The objective {name!r} has no option {', '.join(unknown)}. "
            f"Known: {', '.join(option_names(name)) or 'none'}"
        )
    return OBJECTIVES[name](**options)


def option_names(name):
    """What `objective_config` of an objective may hold: list of strings.

    Raises:
        ValueError: an unknown name, with the known ones.
    """
    if name not in OBJECTIVES:
        raise ValueError(
            f"Unknown objective {name!r}. Known: {', '.join(OBJECTIVES)}"
        )
    return [field.name for field in dataclasses.fields(OBJECTIVES[name])]
