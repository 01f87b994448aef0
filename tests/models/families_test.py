"""A family of encoders from outside of the package."""

import json
import pathlib
import re

import keras
import keras_hub
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.layers.encoder_block import EncoderBlock
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.models import ModernBertBackbone
from keras_rtd.models import RtdBackbone
from keras_rtd.models import families
from keras_rtd.models.bundled import DIRECTORY


class MeanBlock(EncoderBlock):
    """Adds a projection of the mean of all tokens, and a shared tensor."""

    def build(self, x_shape, shared_shape=None):
        width = x_shape[-1]
        self.query = self._dense("query", width, width)
        self.built = True

    def body(self, x, bias, shift, training=None):
        mean = ops.mean(x, axis=1, keepdims=True)
        return (
            x
            + self.hidden_dropout(self.query(mean), training=training)
            + (ops.cast(shift, x.dtype))
        )


@families.register
@keras.saving.register_keras_serializable(package="outside")
class MeanBackbone(RtdBackbone):
    family = "mean"
    uses_positions = False

    def make_layer(self, index, **arguments):
        return MeanBlock(**arguments)

    def make_shared_layers(self, dtype):
        self.shift = keras.layers.Dense(self.hidden_dim, name="shift")

    def shared_tensors(self, padding_mask, document_ids=None, training=None):
        shared = super().shared_tensors(padding_mask, document_ids, training)
        count = ops.sum(ops.cast(padding_mask, "float32"), 1, keepdims=True)
        shift = self.shift(count[:, None] / 100.0)
        return {**shared, "shift": shift}

    def shared_by_layer(self, index, shared):
        return shared["bias"], shared["shift"]


@pytest.mark.parametrize("remat", [False, True])
def test_it_trains(remat):
    keras.utils.set_random_seed(0)
    model = tiny.pretrainer(
        family="mean", dropout=0.1, encoder_options={"remat": remat}
    )
    before = ops.convert_to_numpy(model.backbone.shift.kernel)
    batch = tiny.batch()
    losses = []
    for _ in range(12):
        model.reset_metrics()
        logs = model.train_on_batch(batch, return_dict=True)
        losses.append(float(logs["loss"]))
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    # The shared tensor's gradient came through the layers.
    after = ops.convert_to_numpy(model.backbone.shift.kernel)
    assert np.abs(after - before).max() > 1e-3


def test_recomputing_changes_nothing():
    weights = []
    for remat in (False, True):
        keras.utils.set_random_seed(0)
        model = tiny.pretrainer(
            family="mean", dropout=0.3, encoder_options={"remat": remat}
        )
        for step in range(2):
            model.train_on_batch(tiny.batch(step))
        weights.append([ops.convert_to_numpy(v) for v in model.variables])
    for one, other in zip(*weights):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("objective", ["electra", "electric", "mlm"])
def test_presets_and_tasks_take_it(objective, tmp_path):
    path = str(tmp_path / "mine")
    tiny.pretrainer(
        with_tokenizer=True, family="mean", objective=objective
    ).save_to_preset(path)
    model = (
        ElectraPretrainer.from_preset(path, generator_dropout=0.2)
        if (objective != "mlm")
        else ElectraPretrainer.from_preset(path)
    )
    assert type(model.backbone) is MeanBackbone
    assert type(keras_hub.models.Backbone.from_preset(path)) is MeanBackbone
    task = ElectraTextClassifier.from_preset(path, num_classes=2)
    assert type(task.backbone) is MeanBackbone
    task.save_to_preset(str(tmp_path / "task"))
    again = keras_hub.models.TextClassifier.from_preset(str(tmp_path / "task"))
    assert type(again) is ElectraTextClassifier
    assert type(again.preprocessor) is type(task.preprocessor)


def test_a_preset_gets_its_layers():
    model = ElectraPretrainer.from_preset(
        "electra_tiny_uncased_en", load_weights=False, family="mean"
    )
    assert type(model.backbone) is type(model.generator) is MeanBackbone
    assert model.backbone.intermediate_dim == 512


def test_names_are_taken_once():
    class Other(RtdBackbone):
        family = "electra"

    class Nameless(RtdBackbone):
        pass

    for wrong in (Other, Nameless):
        with pytest.raises(ValueError, match="needs a `family` of its own"):
            families.register(wrong)
    assert families.get("electra") is ElectraBackbone


# As this package wrote presets when it had one class for two families.
@pytest.mark.parametrize("objective", ["electra", "electric"])
def test_presets_of_older_versions_load(objective, tmp_path):
    path = tmp_path / "old"
    options = {**families.OLD_MODERN, "output_stddev": 0.02}
    model = tiny.pretrainer(
        with_tokenizer=True,
        family="modernbert",
        encoder_options=options,
        objective=objective,
    )
    model.save_to_preset(str(path))
    for name in ("config.json", "task.json"):
        text = (path / name).read_text("utf-8")
        text = text.replace("ModernBertBackbone", "ElectraBackbone")
        text = re.sub(r'"family": "modernbert"', '"block": "modern"', text)
        content = json.loads(text, object_hook=_as_before)
        (path / name).write_text(json.dumps(content))
    assert '"block": "modern"' in (path / "config.json").read_text("utf-8")
    batch = tiny.batch()
    batch = {k: batch[k] for k in ("token_ids", "segment_ids", "padding_mask")}
    expected = ops.convert_to_numpy(model.backbone(batch)["sequence_output"])
    for copy in (
        keras_hub.models.Backbone.from_preset(str(path)),
        ElectraPretrainer.from_preset(str(path)).backbone,
        ElectraTextClassifier.from_preset(str(path), num_classes=2).backbone,
    ):
        assert type(copy) is ModernBertBackbone
        found = ops.convert_to_numpy(copy(batch)["sequence_output"])
        np.testing.assert_array_equal(found, expected)


def _as_before(config):
    if "first_attention_norm" in config:
        for name in ModernBertBackbone.own_arguments:
            if name != "local_attention_window":
                del config[name]
        config["block"] = "modern"
    return config


def test_the_bundled_preset_computes_what_it_did():
    # Computed before there were families.
    path = pathlib.Path(__file__).parents[1] / "data_files/rtd_modern_tiny.npz"
    encoder = keras_hub.models.Backbone.from_preset(
        "rtd_modern_tiny_uncased_en"
    )
    with np.load(path) as archive:
        batch = {
            name: archive[name]
            for name in ("token_ids", "segment_ids", "padding_mask")
        }
        expected = archive["sequence_output"]
    found = ops.convert_to_numpy(encoder(batch)["sequence_output"])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_presets_without_weights_say_so():
    assert (DIRECTORY / "electra_small_uncased_en").is_dir()
    with pytest.raises(ValueError, match="has no weights. Pass load_weights="):
        ElectraBackbone.from_preset("electra_small_uncased_en")
