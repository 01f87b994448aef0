"""Reading a preset directory: what it holds, and its weights."""

import os

from keras_rtd import objectives
from keras_rtd.keras_internals import load_backbone_weights
from keras_rtd.keras_internals import preset_utils
from keras_rtd.models.bundled import DESCRIPTIONS
from keras_rtd.models.preset_files import check_configs
from keras_rtd.models.preset_files import load_json
from keras_rtd.utils import json_file
from keras_rtd.utils.setting import is_int
from keras_rtd.utils.setting import nearest

PRETRAINER = "keras_rtd>ElectraPretrainer"
DETECTOR = "keras_rtd>ElectraReplacedTokenDetector"


def _task_config(preset):
    check_known(preset)
    try:
        return load_json(preset, preset_utils.TASK_CONFIG_FILE)
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
        config = load_json(preset, preset_utils.PREPROCESSOR_CONFIG_FILE)
    except FileNotFoundError:
        return None
    length = config["config"].get("sequence_length")
    if length is not None and not is_int(length):
        raise ValueError(
            f"{preset}/{preset_utils.PREPROCESSOR_CONFIG_FILE}: "
            f"sequence_length is no whole number. Received: {length!r}"
        )
    return length


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
    where = f"{preset}/{preset_utils.TASK_CONFIG_FILE}"
    settings = json_file.Node(config, where)["config"]
    settings["objective"].of(str)
    settings["objective_config"].of(dict)
    settings["backbone"]["config"].of(dict)
    for name in ("generator", "preprocessor"):
        part = settings.get(name)
        if part is not None:
            part["config"].of(dict)
    if settings.get("optimizer_config") is not None:
        settings["optimizer_config"].of(dict)
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
    check_configs(preset)


def check_vocabulary(preset, preprocessor, backbone):
    """Refuse a preset whose tokenizer is another model's.

    Args:
        preset: string, for the message.
        preprocessor: with the preset's own tokenizer, or `None`.
        backbone: the encoder.

    Raises:
        ValueError: more tokens than the encoder has, or less than half.
    """
    tokenizer = preprocessor and preprocessor.tokenizer
    if tokenizer is None:
        return
    tokens, rows = tokenizer.vocabulary_size(), backbone.vocabulary_size
    # Tables are often somewhat larger, for tokens to come.
    if not rows / 2 <= tokens <= rows:
        raise ValueError(
            f"The tokenizer of the preset {str(preset)!r} has {tokens:,} "
            f"tokens, and its encoder {rows:,}: they are not of one model. "
            "Restore the preset's vocabulary, or write the preset again."
        )
