"""Pre-train ELECTRA text encoders by replaced token detection, on Keras 3."""

import functools as _functools
from typing import TYPE_CHECKING

from keras_rtd.utils import help_only as _help_only
from keras_rtd.utils import interruption as _interruption
from keras_rtd.utils import tpu as _tpu

# Before Keras is imported.
_is_command = _help_only.is_command()
if _is_command:
    _interruption.end_at_once()
if _is_command and _help_only.is_asked():
    _help_only.use_placeholders()
else:
    _tpu.choose_backend()

# ruff: noqa: E402
from keras_rtd import data
from keras_rtd import evaluation
from keras_rtd import export
from keras_rtd import interop
from keras_rtd import models
from keras_rtd import objectives
from keras_rtd import tokenizers
from keras_rtd import training
from keras_rtd.utils.public_names import listed
from keras_rtd.utils.public_names import on_use

if TYPE_CHECKING:
    from keras_rtd import finetuning
    from keras_rtd import pretraining
else:
    __getattr__ = on_use(
        __name__,
        {
            "finetuning": "keras_rtd.finetuning",
            "pretraining": "keras_rtd.pretraining",
        },
    )


def _fine_tune(suite, *arguments, **options):
    from keras_rtd.finetuning import suites

    return getattr(suites, suite)(*arguments, **options)


# Fine-tuning stands above evaluation, and is imported on use.
for _suite in ("glue", "tagging", "squad"):
    evaluation.suites.register(_suite, _functools.partial(_fine_tune, _suite))

if _is_command:
    _interruption.say_in_one_line()

__dir__ = listed(__name__)
__version__ = "0.2.0"

__all__ = [
    "data",
    "evaluation",
    "export",
    "finetuning",
    "interop",
    "models",
    "objectives",
    "pretraining",
    "tokenizers",
    "training",
]
