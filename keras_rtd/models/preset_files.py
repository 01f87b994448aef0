"""Files of a preset: whether weights are there, which dtype is named."""

import json
import os

import keras

from keras_rtd.keras_internals import preset_utils
from keras_rtd.utils.targets import plain_name
from keras_rtd.utils.writing import write_json


def has_weights(preset):
    """Whether a preset has the weights of its encoder.

    Raises:
        ValueError: its list of weight files leads out of its folder.
    """
    names = preset_utils.SHARDED_MODEL_WEIGHTS_CONFIG_FILE
    if preset_utils.check_file_exists(preset, preset_utils.MODEL_WEIGHTS_FILE):
        return True
    if not preset_utils.check_file_exists(preset, names):
        return False
    for found in preset_utils.load_json(preset, names)["weight_map"].values():
        for name in found if isinstance(found, list) else [found]:
            plain_name(name, f"{names} of the preset {preset!r}")
    return True


def check_weights(cls, preset):
    """Refuse a preset of this machine that has no weights.

    Args:
        cls: the class that is asked for, named by the message.
        preset: string, as `from_preset` takes it.

    Raises:
        ValueError: see `has_weights`, or there are none.
    """
    known = preset_utils.BUILTIN_PRESETS.get(preset, {})
    if not os.path.isdir(known.get("kaggle_handle", preset)):
        return
    if not has_weights(preset):
        raise ValueError(
            f"The preset {str(preset)!r} has no weights. Pass "
            f"load_weights=False for a randomly initialised {cls.__name__}."
        )


def store_plain_dtype(directory):
    """Write float32 for a mixed dtype policy in a preset's `config.json`."""
    path = os.path.join(directory, preset_utils.CONFIG_FILE)
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    policy = config["config"].get("dtype")
    if keras.dtype_policies.get(policy).name.startswith("mixed_"):
        config["config"]["dtype"] = keras.dtype_policies.serialize(
            keras.DTypePolicy("float32")
        )
        write_json(path, config, indent=4)
