"""DebertaV3Backbone is Microsoft's encoder, and transformers' where that is."""

import json
import pathlib

import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.models import DebertaV3Backbone
from keras_rtd.models.deberta_v3 import conversion
from keras_rtd.models.deberta_v3 import positions

TRACES = pathlib.Path(__file__).parents[3] / "shared/reference"
CONFIGURATIONS = [
    "a_v3",
    "b_no_buckets_long",
    "c_buckets_long",
    "d_own_position_keys",
    "e_content_to_position",
    "g_embedding_size",
]


@pytest.fixture(scope="module")
def traces():
    path = TRACES / "deberta_encoder.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with np.load(path) as archive:
        return dict(archive)


def of_trace(traces, name):
    """Config, weights and the other arrays of a configuration."""
    arrays = {
        key.removeprefix(f"{name}/"): value
        for key, value in traces.items()
        if key.startswith(f"{name}/")
    }
    weights = {
        key.removeprefix("weights/"): value
        for key, value in arrays.items()
        if key.startswith("weights/")
    }
    return json.loads(str(arrays["config_json"])), weights, arrays


def encode(model, token_ids, padding_mask, segment_ids=None, **inputs):
    if segment_ids is None:
        segment_ids = np.zeros_like(token_ids)
    batch = {
        "token_ids": token_ids,
        "segment_ids": segment_ids,
        "padding_mask": padding_mask,
        **inputs,
    }
    return ops.convert_to_numpy(model(batch)["sequence_output"])


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_it_is_microsofts(traces, name):
    config, weights, arrays = of_trace(traces, name)
    model = DebertaV3Backbone(**conversion.arguments(config))
    conversion.assign(model, weights)
    found = encode(
        model,
        arrays["token_ids"],
        arrays["padding_mask"],
        arrays.get("segment_ids"),
    )
    expected = arrays["last_hidden_state"]
    real = arrays["padding_mask"] > 0
    difference = np.abs(found - expected)[real].max()
    assert difference < 5e-6 * np.abs(expected[real]).max()


def test_convolution_is_refused(traces):
    config, _, _ = of_trace(traces, "f_conv")
    with pytest.raises(ValueError, match="has no conv_kernel_size=3"):
        conversion.arguments(config)
