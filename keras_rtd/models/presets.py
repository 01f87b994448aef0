"""Reading a preset directory: what it holds, and its weights."""

import os

from keras_rtd import objectives
from keras_rtd.keras_internals import load_backbone_weights
from keras_rtd.keras_internals import preset_utils
from keras_rtd.models.bundled import DESCRIPTIONS
from keras_rtd.utils.setting import nearest

PRETRAINER = "keras_rtd>ElectraPretrainer"
DETECTOR = "keras_rtd>ElectraReplacedTokenDetector"


def _task_config(preset):
    check_known(preset)
    try:
        return preset_utils.load_json(preset, preset_utils.TASK_CONFIG_FILE)
    except FileNotFoundError:
        return None


def read_task_name(preset):
    """Registered name of a preset's task, `None` for a bare encoder."""
    config = _task_config(preset)
    return config and config.get("registered_name")


def preset_length(preset):
    """Sequence length of a preset's preprocessor: what the encoder was made
    for. `None` where it has none."""
    try:
        config = preset_utils.load_json(
            preset, preset_utils.PREPROCESSOR_CONFIG_FILE
        )
    except FileNotFoundError:
        return None
    return config["config"].get("sequence_length")


def has_detector(preset):
    """Whether a preset holds a detection head."""
    config = _task_config(preset)
    if config is None or config.get("registered_name") != PRETRAINER:
        return bool(config) and config.get("registered_name") == DETECTOR
    return stored_objective(preset, config["config"]).has_detector()


def stored_objective(preset, settings):
    """The objective of a preset that holds a pretrainer.

    Args:
        preset: string, for messages.
        settings: dict, the pretrainer's config.

    Raises:
        ValueError: an objective or option that this version has not.
    """
    name = settings["objective"]
    try:
        return objectives.get(name, **settings["objective_config"])
    except (TypeError, ValueError) as e:
        raise ValueError(
            f"The preset {str(preset)!r} was trained with another version: "
            f"{e} Its encoder loads with `ElectraBackbone.from_preset`; "
            "`ElectraPretrainer.from_preset(..., objective=..., "
            "load_weights=False)` trains its sizes anew."
        ) from e


def read_task(cls, preset):
    """`task.json` of a preset that holds a pretrainer."""
    config = _task_config(preset)
    if config is None or config.get("registered_name") != PRETRAINER:
        found = "no task" if config is None else config.get("class_name")
        raise ValueError(
            f"The preset {preset!r} holds {found}, not an {cls.__name__}. "
            "Load it with the class that wrote it, or convert it with "
            "`python -m keras_rtd.interop convert`."
        )
    return config


def load_weights_into(pretrainer, preset):
    """Read encoder and task weights, as KerasHub lays them out."""
    path = preset_utils.get_file(preset, preset_utils.TASK_WEIGHTS_FILE)
    pretrainer.load_task_weights(path)
    load_backbone_weights(preset, pretrainer.backbone)


def check_known(preset):
    if not isinstance(preset, str | os.PathLike):
        raise ValueError(
            "`preset` must be a bundled name or a directory. "
            f"Received: {preset!r}"
        )
    if "://" in str(preset) or preset in preset_utils.BUILTIN_PRESETS:
        return
    if not os.path.isdir(preset):
        hint = nearest(preset, DESCRIPTIONS) or "."
        raise ValueError(
            f"No preset {str(preset)!r}{hint} It is not a directory, and not "
            f"one of the bundled {', '.join(DESCRIPTIONS)}."
        )
