"""The dtype that a preset names."""

import json
import os

import keras

from keras_rtd.keras_internals import preset_utils
from keras_rtd.utils.writing import write_json


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
