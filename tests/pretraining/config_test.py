import dataclasses

import pytest

from keras_rtd.pretraining import PretrainConfig
from keras_rtd.pretraining.ingredients import optimizer_config
from keras_rtd.pretraining.settings import ConfigError
from keras_rtd.pretraining.settings import parse_arguments
from keras_rtd.training import make_optimizer
from keras_rtd.utils.hardware import fast_dtype


@pytest.mark.parametrize(
    "name, value",
    [
        ("mask_rate", 0.0),
        ("mask_rate", 1.0),
        ("train_steps", 0),
        ("batch_size", 0),
        ("sequence_length", 4),
        ("learning_rate", 0.0),
        ("weight_decay", -0.1),
        ("temperature", -1.0),
        ("dropout", 1.0),
        ("objective", "bert"),
        ("strategy", "magic"),
        ("dtype", "int8"),
        ("checkpoint_every", 0),
        ("validation_fraction", 0.0),
        ("data", ()),
    ],
)
def test_bad_values_are_named(name, value):
    with pytest.raises(ConfigError, match=f"--{name}"):
        PretrainConfig(**{"data": ("x",), name: value})


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--data", "x", "--batch_size", "many"], "--batch_size"),
        (["--data", "x", "--mask_rate", "2"], "--mask_rate"),
        (["--data", "x", "--objective", "bert"], "--objective"),
        (["--data", "x", "--nonsense", "1"], "--nonsense"),
        ([], "--data"),
    ],
)
def test_a_bad_command_line_ends_with_one_line(argv, message, capsys):
    with pytest.raises(SystemExit) as stop:
        parse_arguments(PretrainConfig, "A recipe.", argv)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["train_steps", "eval_every"])
def test_calls_of_several_steps_end_where_a_run_does(name):
    values = {"train_steps": 8, "eval_every": 4, "checkpoint_every": 4}
    PretrainConfig(data=("x",), steps_per_execution=4, **values)
    values[name] = 6
    with pytest.raises(ConfigError, match=f"--{name} must be a multiple of"):
        PretrainConfig(data=("x",), steps_per_execution=4, **values)


def test_command_line_sets_every_kind_of_value():
    config = parse_arguments(
        PretrainConfig,
        "A recipe.",
        "--data a b --batch_size=7 --learning_rate=1e-3 --cased".split(),
    )
    assert config.data == ("a", "b")
    assert config.batch_size == 7
    assert config.learning_rate == 1e-3
    assert config.cased
    assert dataclasses.asdict(config)["dropout"] is None


def test_what_binds_a_run_leaves_out_where_and_how_often():
    binding = PretrainConfig(data=("x",)).binding()
    assert "run_dir" not in binding and "eval_every" not in binding
    assert binding["data"] == ["x"] and binding["seed"] == 0


def test_auto_dtype_is_remembered_as_what_it_stands_for():
    config = PretrainConfig(data=("x",), dtype="auto")
    assert config.dtype == fast_dtype()
    assert config.binding()["dtype"] in ("float32", "mixed_bfloat16")


def test_settings_of_the_optimizer_are_over_the_presets():
    config = PretrainConfig(data=("x",), weight_decay=0.0, warmup_steps=7)
    preset = {"learning_rate": 2e-3, "weight_decay": 0.1, "warmup_steps": 99}
    made = optimizer_config(config, preset)
    assert made["learning_rate"] == 2e-3
    assert made["warmup_steps"] == 7
    assert make_optimizer(**made).get_config()["weight_decay"] == 0.0


def test_adam_lr_ratio_is_of_muon():
    preset = {"optimizer": "muon", "learning_rate": 4e-3, "adam_lr_ratio": 0.5}
    config = PretrainConfig(data=("x",))
    assert optimizer_config(config, preset)["adam_lr_ratio"] == 0.5
    other = {"data": ("x",), "optimizer": "adamw", "learning_rate": 1e-3}
    made = optimizer_config(PretrainConfig(**other), preset)
    assert "adam_lr_ratio" not in made
    with pytest.raises(ConfigError, match="--adam_lr_ratio must be given with"):
        optimizer_config(PretrainConfig(**other, adam_lr_ratio=0.5), preset)
