"""What `ElectraPretrainer.from_preset` takes, and what stays the preset's."""

import json

import pytest
import tiny

from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraPretrainer

TUNED = {"discriminator_weight": 20.0, "disallow_correct": True}
OPTIMIZER = {"learning_rate": 0.01, "warmup_steps": 3, "schedule": "cosine"}


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A preset with settings of its own."""
    path = str(tmp_path_factory.mktemp("presets") / "tuned")
    tiny.pretrainer(
        with_tokenizer=True, objective_config=TUNED, optimizer_config=OPTIMIZER
    ).save_to_preset(path)
    return path


def options(model):
    config = model.objective.get_config()
    return {name: config[name] for name in (*TUNED, "temperature")}


def test_options_that_are_not_given_are_the_presets(preset):
    model = ElectraPretrainer.from_preset(
        preset,
        objective_config={"temperature": 2.0},
        optimizer_config={"warmup_steps": 5},
    )
    assert options(model) == {**TUNED, "temperature": 2.0}
    assert model.optimizer_config == {**OPTIMIZER, "warmup_steps": 5}


def test_another_objective_keeps_the_options_it_has(preset):
    model = ElectraPretrainer.from_preset(preset, objective="electra_15")
    assert options(model) == {**TUNED, "temperature": 1.0}
    with pytest.warns(UserWarning, match="fresh weights: encoder_lm_head"):
        model = ElectraPretrainer.from_preset(
            preset,
            objective="replace_mlm",
            objective_config={"temperature": 2.0},
        )
    found = model.objective.get_config()
    assert "discriminator_weight" not in found
    assert found["disallow_correct"] and found["temperature"] == 2.0


def test_another_optimizer_takes_none_of_the_presets_options(preset):
    given = {"optimizer": "muon", "learning_rate": 0.02}
    model = ElectraPretrainer.from_preset(preset, optimizer_config=given)
    assert model.optimizer_config == given


@pytest.mark.run_once
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"dropuot": 0.1}, "'dropuot', did you mean 'dropout'"),
        ({"objectiv": "mlm"}, "did you mean 'objective'"),
        ({"generator_droput": 0.1}, "did you mean 'generator_dropout'"),
        ({"generator_vocabulary_size": 9}, "Unknown argument"),
        ({"objective_config": {"temprature": 2.0}}, "mean 'temperature'"),
        ({"objective": "electr"}, "did you mean 'electr"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(preset, arguments, message):
    with pytest.raises(ValueError, match=message):
        ElectraPretrainer.from_preset(preset, **arguments)


def changed(preset, folder, **settings):
    """A copy of a preset with other settings in its `task.json`."""
    ElectraPretrainer.from_preset(preset).save_to_preset(str(folder))
    task = json.loads((folder / "task.json").read_text("utf-8"))
    for name, value in settings.items():
        if isinstance(value, dict):
            value = {**task["config"][name], **value}
        task["config"][name] = value
    (folder / "task.json").write_text(json.dumps(task), "utf-8")
    return str(folder)


@pytest.mark.run_once
def test_presets_of_earlier_versions_say_what_to_do(preset, tmp_path):
    path = changed(
        preset,
        tmp_path / "amos",
        objective="amos",
        objective_config={"mixture_temperature": 0.3},
    )
    with pytest.raises(ValueError, match="another version: .*'amos' was rem"):
        ElectraPretrainer.from_preset(path)
    assert ElectraBackbone.from_preset(path).count_params()
    model = ElectraPretrainer.from_preset(
        path, objective="electra", load_weights=False
    )
    assert options(model) == {**TUNED, "temperature": 1.0}
    path = changed(
        preset, tmp_path / "option", objective_config={"mixture_gradient": -1}
    )
    with pytest.raises(ValueError, match="no option 'mixture_gradient'"):
        ElectraPretrainer.from_preset(path)
    path = changed(
        preset, tmp_path / "clip", optimizer_config={"generator_clipnorm": 1.0}
    )
    with pytest.warns(UserWarning, match="generator_clipnorm, which were rem"):
        model = ElectraPretrainer.from_preset(path)
    assert model.optimizer_config == OPTIMIZER
