"""Settings of fine-tuning: flags, files and help as of pre-training."""

import json
import pathlib

import pytest
from recipe import run_here

from keras_rtd.commands import finetune_glue
from keras_rtd.finetuning.run import main
from keras_rtd.finetuning.settings import flags
from keras_rtd.finetuning.settings import resolve
from keras_rtd.utils.command_line import flag_help
from keras_rtd.utils.setting import ConfigError

GLUE = str(pathlib.Path(__file__).parents[2] / "recipes" / "finetune_glue.py")
GIVEN = {"init_from": "x", "data": "d"}


def test_file_then_flags(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("optimizer: {learning_rate: 1e-4}\nepochs: 5\n")
    made = resolve({**GIVEN, "epochs": 6}, str(file), {"epochs": 2, "seeds": 3})
    assert made.optimizer.learning_rate == 1e-4
    assert (made.run.epochs, made.run.seeds) == (6, 3)
    assert made.devices.dtype == "auto"


def test_its_config_gives_the_same_run(tmp_path):
    made = resolve({**GIVEN, "layer_decay": 0.9, "dtype": "float32"})
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**made.to_dict(), "environment": {}}))
    assert resolve(config_file=str(path)) == made


@pytest.mark.parametrize(
    "given, message",
    [
        ({"init_from": "x"}, "--data must be given"),
        ({"data": "d"}, "--init_from must be given"),
        ({**GIVEN, "layer_decay": 2}, "--layer_decay must be at most 1"),
        ({**GIVEN, "epoch": 2}, "did you mean 'epochs'"),
    ],
)
def test_bad_settings_are_named(given, message):
    with pytest.raises(ConfigError, match=message):
        resolve(given)


def test_a_continued_run_keeps_its_dtype():
    made = resolve(GIVEN)
    for dtype in ("float32", "mixed_bfloat16"):
        assert made.on_devices({"dtype": dtype}).devices.dtype == dtype


def test_a_recipes_own_settings(capsys):
    task, defaults = finetune_glue.GlueSettings, finetune_glue.defaults
    made = resolve({**GIVEN, "task": "rte"}, None, defaults, task)
    assert (made.task.task, made.run.epochs) == ("rte", 10)
    argv = ["--task=nothing", "--init_from=x", "--data=d"]
    assert main("A recipe.", finetune_glue.problem, task, defaults, argv) == 2
    assert "--task must be one of sst2" in capsys.readouterr().err


def test_help_has_a_sentence_and_a_default():
    for name, flag in flags().items():
        text = " ".join(flag_help(flag, {}).split())
        sentence, _, default = text.partition(" Default: ")
        assert text.startswith(f"--{name}") and text.endswith(".")
        assert sentence.endswith(".") and default
    result = run_here(["python", GLUE, "--help=run"])
    assert result.returncode == 0 and "--epochs N" in result.stdout
