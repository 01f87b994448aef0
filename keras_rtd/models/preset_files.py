"""Files of a preset: whether weights are there, which dtype is named."""

import os

import keras

from keras_rtd.keras_internals import preset_utils
from keras_rtd.utils import json_file
from keras_rtd.utils.targets import plain_name
from keras_rtd.utils.writing import write_json

# Each holds one layer or model, as Keras serialises it.
_CONFIGS = (
    preset_utils.CONFIG_FILE,
    preset_utils.TASK_CONFIG_FILE,
    preset_utils.PREPROCESSOR_CONFIG_FILE,
    preset_utils.TOKENIZER_CONFIG_FILE,
)


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
    where = f"{names} of the preset {preset!r}"
    stored = json_file.Node(load_json(preset, names), where)["weight_map"]
    for key in stored.of(dict):
        found = stored[key]
        many = isinstance(found.value, list)
        for name in found.items() if many else [found]:
            plain_name(name.of(str), where)
    return True


def load_json(preset, name):
    """The object of a JSON file of a preset: dict.

    Raises:
        FileNotFoundError: the preset has no such file.
        ValueError: it holds something else; the message names the file.
    """
    return json_file.read_object(preset_utils.get_file(preset, name))


def check_configs(preset):
    """Refuse a preset directory whose JSON files Keras could not read.

    Raises:
        ValueError: naming the file and the place in it.
    """
    for name in _CONFIGS:
        path = os.path.join(preset, name)
        if os.path.lexists(path):
            config = json_file.Node(json_file.read(path), path)
            config["class_name"].of(str)
            config["config"].of(dict)
            for key in ("module", "registered_name"):
                if config.get(key) is not None:
                    config[key].of(str)


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
    config = json_file.read_object(path)
    policy = config["config"].get("dtype")
    if keras.dtype_policies.get(policy).name.startswith("mixed_"):
        config["config"]["dtype"] = keras.dtype_policies.serialize(
            keras.DTypePolicy("float32")
        )
        write_json(path, config, indent=4)
