"""An objective from outside the package, and what every objective answers."""

import dataclasses

import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd import objectives
from keras_rtd.layers.heads import DetectionHead
from keras_rtd.models import ElectraPretrainer
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import setting

BEFORE = dict(objectives.OBJECTIVES)


@pytest.fixture(autouse=True)
def forget():
    """Leaves the registry as it was."""
    yield
    objectives.OBJECTIVES.clear()
    objectives.OBJECTIVES.update(BEFORE)


def second_half():
    """An objective: which tokens stand in the second segment?"""

    @objectives.register
    class SecondHalf(objectives.Objective):
        name = "second_half"

        scale: float = setting(2.0, "Weight of the loss.", at_least=0)

        def make_heads(self, backbone, generator):
            return {"segment_head": DetectionHead.of(backbone)}

        def flops_per_token(self, model, length, *args, **kwargs):
            width = model.backbone.hidden_dim
            return super().flops_per_token(model, length, 0) + 6 * width

        def forward(self, model, batch, seed, step, training=None):
            encoded = model.encode(batch, batch["token_ids"], training)
            return {"segment_logits": model.segment_head(encoded)}

        def weights(self, batch):
            return {"segment": ops.cast(batch["padding_mask"], "float32")}

        def terms(self, batch, outputs):
            sign = 1.0 - 2.0 * ops.cast(batch["segment_ids"], "float32")
            loss = ops.softplus(sign * outputs["segment_logits"])
            return {"segment": {"loss": loss}}

        def term_weights(self):
            return {"segment": self.scale}

    return SecondHalf


def test_an_objective_from_outside_trains(tmp_path):
    second_half()
    model = tiny.pretrainer(
        objective="second_half",
        objective_config={"scale": 3.0},
        with_tokenizer=True,
    )
    batch = tiny.batch()
    logits = ops.convert_to_numpy(
        model.run_objective(batch, training=False)["segment_logits"]
    ).astype("float64")
    right = np.where(batch["segment_ids"] > 0, logits, -logits)
    mean = np.logaddexp(0, -right)[batch["padding_mask"]].mean()
    logs = model.train_on_batch(batch, return_dict=True)
    assert set(logs) == {"loss", "segment_loss"}
    assert float(logs["segment_loss"]) == pytest.approx(mean, rel=1e-5)
    assert float(logs["loss"]) == pytest.approx(3.0 * mean, rel=1e-5)
    model.reset_metrics()
    after = model.test_on_batch(batch, return_dict=True)
    assert float(after["loss"]) != float(logs["loss"])
    # 16 wide, 32 inside, 2 layers, 16 tokens, embeddings of 12.
    layer = 4 * 16 * 16 + 2 * 16 * 32 + 2 * 16 * 16
    encoder = 2 * (2 * layer + 12 * 16)
    assert model.objective.flops_per_token(model, 16, 2) == pytest.approx(
        3 * encoder + 6 * 16
    )
    model.save_to_preset(str(tmp_path / "mine"))
    copy = ElectraPretrainer.from_preset(str(tmp_path / "mine"))
    assert copy.objective.get_config() == {"scale": 3.0}
    for ours, theirs in zip(
        model.segment_head.weights, copy.segment_head.weights, strict=True
    ):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs)
        )
    with pytest.raises(ValueError, match="has no detector"):
        model.replaced_token_detector()


def test_micro_batches_of_an_objective_from_outside():
    second_half()
    losses = []
    for accumulate_steps in (1, 2):
        model = tiny.pretrainer(objective="second_half")
        model.set_weights([np.full(w.shape, 0.1) for w in model.get_weights()])
        model.compile(accumulate_steps=accumulate_steps)
        logs = model.train_on_batch(tiny.batch(), return_dict=True)
        losses.append(float(logs["segment_loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.run_once
def test_a_name_belongs_to_one_class():
    second_half()
    # As a notebook's cell that runs twice.
    again = second_half()
    assert objectives.find("second_half") is again
    with pytest.raises(ValueError, match="Other needs a `name` of its own"):

        @objectives.register
        class Other(objectives.Electra):
            pass

    with pytest.raises(ValueError, match="did you mean 'second_half'"):
        objectives.get("second_hal")
    with pytest.raises(ValueError, match="did you mean 'scale'"):
        objectives.get("second_half", scal=1.0)
    with pytest.raises(ValueError, match="'amos' was removed"):
        objectives.get("amos")


@pytest.mark.run_once
@pytest.mark.parametrize("name", BEFORE)
def test_every_option_is_described(name):
    for field in dataclasses.fields(objectives.find(name)):
        text = field.metadata["help"]
        assert text[0].isupper() and text.endswith("."), field.name


@pytest.mark.run_once
@pytest.mark.parametrize(
    "name, options, rule",
    [
        ("electra", {"generator_weight": -1.0}, "at least 0"),
        ("electra", {"discriminator_weight": -1.0}, "at least 0"),
        ("electra", {"temperature": 0.0}, "above 0"),
        ("electra", {"temperature_steps": 5}, "go together"),
        ("all_tokens_mlm", {"all_tokens_weight": -1.0}, "at least 0"),
        ("replace_mlm", {"masked_lm_weight": -1.0}, "at least 0"),
        ("electric", {"mask_rate": 1.0}, "below 1"),
        ("electric", {"unigram_warmup_steps": 5}, "must be 0"),
    ],
)
def test_a_bad_option_is_named(name, options, rule):
    with pytest.raises(SettingError, match=rule) as caught:
        objectives.get(name, **options)
    assert caught.value.name in options


def test_electric_keeps_the_special_ids_it_was_given(tmp_path):
    given = tiny.pretrainer(
        objective="electric",
        objective_config={"special_ids": [2, 3, 4, 7]},
        with_tokenizer=True,
    )
    assert given.objective.special_ids == [2, 3, 4, 7]
    given.save_to_preset(str(tmp_path / "given"))
    copy = ElectraPretrainer.from_preset(str(tmp_path / "given"))
    assert copy.objective.special_ids == [2, 3, 4, 7]
    # They are ids of the preset's tokenizer.
    other = ElectraPretrainer.from_preset(
        str(tmp_path / "given"), load_weights=False, tokenizer=tiny.tokenizer()
    )
    assert other.objective.special_ids == [2, 3, 4]
    own = objectives.get("electric")
    own.set_tokenizer(tiny.tokenizer())
    assert own.special_ids == [2, 3, 4]
    assert own.get_config()["special_ids"] is None
