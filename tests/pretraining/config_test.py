"""Settings: where each comes from, files, errors, help."""

import json

import numpy as np
import pytest
import tiny
import yaml

from keras_rtd import objectives
from keras_rtd.interop import huggingface
from keras_rtd.interop import weights
from keras_rtd.models import ElectraPretrainer
from keras_rtd.pretraining import main
from keras_rtd.pretraining import resolve
from keras_rtd.pretraining.run_directory import RunDirectory
from keras_rtd.pretraining.settings import flags
from keras_rtd.training import make_optimizer
from keras_rtd.utils.command_line import flag_help
from keras_rtd.utils.command_line import help_text
from keras_rtd.utils.command_line import parse
from keras_rtd.utils.hardware import fast_dtype
from keras_rtd.utils.setting import ConfigError
from keras_rtd.utils.setting import setting
from keras_rtd.utils.settings import read_file

TINY = "electra_tiny_uncased_en"
# What a recipe once overwrote with 50, False, 1, shared and polynomial.
OPTIONS = {
    "discriminator_weight": 20.0,
    "disallow_correct": True,
    "generator_weight": 0.5,
}


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A preset whose settings are none of the defaults."""
    path = str(tmp_path_factory.mktemp("own") / "preset")
    model = ElectraPretrainer.from_preset(
        TINY,
        load_weights=False,
        vocabulary_size=len(tiny.VOCABULARY),
        tokenizer=tiny.tokenizer(),
        num_layers=1,
        dropout=0.2,
        sequence_length=48,
        objective_config=OPTIONS,
        embedding_sharing="gradient_disentangled",
        optimizer_config={
            "learning_rate": 2e-3,
            "schedule": "cosine",
            "warmup_steps": 7,
            "bias_correction": True,
            "decoupled_training": True,
            "train_steps": 99,
        },
        compile=False,
    )
    model.save_to_preset(path)
    return path


def settings(**given):
    return resolve(given={"preset": TINY, "data": "x", **given})


def argv(*words):
    return ["--data=x", f"--preset={TINY}", *words]


@pytest.mark.parametrize(
    "name, value, rule",
    [
        ("mask_rate", 0.0, "above 0"),
        ("mask_rate", 1.0, "below 1"),
        ("train_steps", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("sequence_length", 4, "at least 8"),
        ("learning_rate", 0.0, "above 0"),
        ("weight_decay", -0.1, "at least 0"),
        ("temperature", 0, "above 0"),
        ("dropout", 1.0, "below 1"),
        ("objective", "bert", "one of electra, "),
        ("strategy", "magic", "one of auto, single"),
        ("dtype", "int8", "one of auto, float32"),
        ("checkpoint_every", 0, "at least 1"),
        ("validation_fraction", 0.0, "above 0"),
        ("batch_size", "many", "a whole number"),
        ("batch_size", 2.5, "a whole number"),
        ("remat", "perhaps", "true or false"),
        ("data", (), "given"),
    ],
)
def test_bad_values_are_named(name, value, rule):
    with pytest.raises(ConfigError, match=f"^--{name} must be {rule}.*Receiv"):
        settings(**{name: value})


@pytest.mark.parametrize(
    "words, message",
    [
        (["--batch_size", "many"], "--batch_size must be a whole number"),
        (["--mask_rate", "2"], "--mask_rate must be below 1. Received: 2.0"),
        (["--temperature=0"], "--temperature must be above 0. Received: 0.0"),
        (["--objective", "bert"], "--objective must be one of electra"),
        (["--nonsense", "1"], "--nonsense is no setting"),
        (["--batchsize=8"], "did you mean 'batch_size'?"),
        (["--generator_clipnorm=1"], "generator_clipnorm no longer exists"),
        (["--config=nowhere.yaml"], "--config nowhere.yaml cannot be read"),
        (["--preset=nothing"], "No preset 'nothing'"),
        (["--help=learning"], "did you mean 'learning_rate'?"),
    ],
)
def test_a_bad_command_line_ends_with_one_line(words, message, capsys):
    assert main("A recipe.", None, argv(*words)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.parametrize("name", ["train_steps", "eval_every"])
def test_calls_of_several_steps_end_where_a_run_does(name):
    values = {"train_steps": 8, "eval_every": 4, "checkpoint_every": 4}
    settings(steps_per_execution=4, **values)
    values[name] = 6
    with pytest.raises(ConfigError, match=f"--{name} must be a multiple of"):
        settings(steps_per_execution=4, **values)


def test_command_line_sets_every_kind_of_value():
    words = "--data a b --batch_size=7 --learning_rate=1e-3 --cased".split()
    assert parse(flags(), "", None, words) == {
        "data": ("a", "b"),
        "batch_size": 7,
        "learning_rate": 1e-3,
        "cased": True,
    }


@pytest.mark.parametrize(
    "word, value",
    [
        ("--disallow_correct", True),
        ("--disallow_correct=true", True),
        ("--disallow_correct=false", False),
        ("--no_disallow_correct", False),
    ],
)
def test_a_flag_can_say_no(preset, word, value):
    given = parse(flags(), "", None, [word])
    made = resolve(given={"preset": preset, "data": "x", **given})
    assert made.objective.disallow_correct is value


def test_a_preset_is_trained_as_it_says(preset):
    made = resolve({"run_dir": "r", "train_steps": 50}, None, {
        "preset": preset, "data": "x", "dtype": "float32"
    })  # fmt: skip
    model = tiny.built(made)
    options = model.objective.get_config()
    assert {name: options[name] for name in OPTIONS} == OPTIONS
    assert model.embedding_sharing == "gradient_disentangled"
    assert model.backbone.dropout == model.generator.dropout == 0.2
    assert made.data.sequence_length == 48
    optimizer = model.optimizer.get_config()
    rate = optimizer["learning_rate"]
    assert rate["class_name"] == "WarmupCosineDecay"
    assert rate["config"] == {
        "learning_rate": 2e-3,
        "warmup_steps": 7,
        "train_steps": 50,
    }
    assert optimizer["bias_correction"] is True
    assert optimizer["decoupled_training"] and model.decoupled


def test_joint_and_decoupled_training_by_flag(preset):
    given = {"preset": preset, "data": "x", "dtype": "float32"}
    flag = parse(flags(), "", None, ["--no_decoupled_training"])
    assert not tiny.built(resolve(given={**given, **flag})).decoupled
    flag = parse(flags(), "", None, ["--decoupled_training"])
    assert tiny.built(settings(dtype="float32", **flag)).decoupled
    assert not settings().optimizer.decoupled_training


def test_masks_by_windows():
    flag = parse(flags(), "", None, ["--mask_windows"])
    assert settings(**flag).data.mask_windows
    assert not settings().data.mask_windows


def test_preset_then_file_then_flags(preset, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("generator_weight: 0.7\ndiscriminator_weight: 30\n")
    recipe = {"preset": TINY, "generator_weight": 9.0, "mask_rate": 0.25}
    made = resolve(
        recipe,
        str(file),
        {"preset": preset, "data": "x", "discriminator_weight": 40.0},
    )
    assert made.objective.discriminator_weight == 40.0
    assert made.objective.generator_weight == 0.7
    assert made.objective.disallow_correct is True
    # The recipe's are under those of another preset, which has no mask rate.
    assert made.data.mask_rate == 0.25
    made = resolve(recipe, None, {"preset": preset, "data": "x"})
    assert made.objective.generator_weight == 0.5
    # Over those of its own.
    made = resolve(recipe, None, {"data": "x"})
    assert made.objective.generator_weight == 9.0


def test_what_differs_from_the_preset_is_marked(preset):
    given = {
        "preset": preset,
        "data": "x",
        "dropout": 0.0,
        "schedule": "stable",
    }
    made = resolve(given=given)
    words = made.summary().split()
    for word in (
        "dropout=0*",
        "generator_dropout=0*",
        "schedule=stable*",
        "discriminator_weight=20",
        "sequence_length=48",
    ):
        assert word in words


NESTED = """
data:
  mask_rate: 0.2
objective:
  temperature: 2
  disallow_correct: yes
generator:
  hidden_dim: 16
optimiser:
  learning_rate: 1e-3
strategy: single
"""
FLAT = {
    "mask_rate": 0.2,
    "temperature": 2,
    "disallow_correct": True,
    "generator_hidden_dim": 16,
    "learning_rate": 1e-3,
    "strategy": "single",
}


def test_files_are_yaml_or_json_nested_or_flat(tmp_path):
    (tmp_path / "nested.yaml").write_text(NESTED)
    (tmp_path / "nested.json").write_text(json.dumps(yaml.safe_load(NESTED)))
    (tmp_path / "flat.yaml").write_text(yaml.safe_dump(FLAT))
    (tmp_path / "flat.json").write_text(json.dumps(FLAT))
    for path in tmp_path.iterdir():
        assert read_file(str(path), flags()) == FLAT, path


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "batchsize: 8",
            "'batchsize' is no setting, did you mean 'batch_size'",
        ),
        ("optimizer:\n  learn_rate: 1", "did you mean 'learning_rate'"),
        ("optimzer:\n  learning_rate: 1", "did you mean 'optimizer'"),
        ("batch_size: many", "--batch_size must be a whole number"),
        ("seed: 1\nrun:\n  seed: 2", "has 'seed' twice"),
        ("a: [", "line 1"),
        ("- 1", "must hold names and values"),
    ],
)
def test_a_bad_file_is_named(text, message, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"--config {path}.*{message}"):
        resolve(None, str(path), {"data": "x"})


def test_the_config_of_a_run_gives_the_same_run(preset, tmp_path):
    made = resolve(
        None,
        None,
        {
            "preset": preset,
            "data": ("a", "b"),
            "temperature": 1.5,
            "dtype": "float32",
            "optimizer": "muon",
            "generator_dropout": 0.1,
        },
    )
    run = RunDirectory(str(tmp_path))
    run.write_settings(made.to_dict(), {"backend": "x", "versions": {}})
    stored = json.loads(run.config.read_text())
    assert set(stored) == {
        "data", "model", "generator", "objective", "optimizer", "run",
        "devices", "environment",
    }  # fmt: skip
    again = resolve(None, str(run.config), {})
    assert again.to_dict() == made.to_dict()
    # Flags are over it.
    assert resolve(None, str(run.config), {"seed": 5}).run.seed == 5


def test_the_config_of_an_older_run_is_read(tmp_path, capsys):
    old = {
        "preset": TINY,
        "objective": "mlm",
        "strategy": "single",
        "data": ["x"],
        "train_steps": 77,
        "optimizer": None,
        "schedule": "polynomial",
        "embedding_sharing": "shared",
        "discriminator_weight": 50.0,
        "temperature": 1.0,
        "temperature_steps": None,
        "unigram_warmup_steps": 0,
        "generator_clipnorm": 2.0,
        "generator_schedule": None,
        "dtype": "float32",
        "versions": {"keras": "3.15"},
        "python": "3.11",
        "machine": "x86_64",
        "cpus": 2,
        "backend": "jax",
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(old))
    made = resolve(None, str(path), {})
    assert made.objective.name == "mlm" and made.run.train_steps == 77
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 1 and "generator_clipnorm no longer" in notes[0]
    # But it is not continued.
    message = "an earlier version of keras_rtd started"
    with pytest.raises(ConfigError, match=message):
        RunDirectory(str(tmp_path)).read_settings()


def test_what_binds_a_run_leaves_out_where_and_how_often():
    binding = settings().binding()
    for name in ("run_dir", "eval_every", "strategy", "keep_checkpoints"):
        assert name not in binding
    assert binding["data"] == ["x"] and binding["seed"] == 0
    assert binding["temperature"] == 1.0


def test_auto_is_resolved_late_and_kept():
    made = settings()
    assert made.devices.dtype == made.devices.strategy == "auto"
    assert made.on_devices().devices.dtype == fast_dtype()
    for dtype in ("float32", "mixed_bfloat16"):
        stored = settings(dtype=dtype).binding()
        assert made.on_devices(stored).devices.dtype == dtype
    # What is asked for is not the stored one, and is refused later.
    asked = settings(dtype="float32").on_devices({"dtype": "mixed_bfloat16"})
    assert asked.devices.dtype == "float32"


def test_settings_of_the_optimizer_are_over_the_presets(preset):
    given = {"preset": preset, "data": "x"}
    made = resolve(given={**given, "weight_decay": 0.0, "warmup_steps": 9})
    arguments = made.optimizer.arguments("float32")
    assert arguments["learning_rate"] == 2e-3
    assert arguments["warmup_steps"] == 9
    optimizer = make_optimizer(**arguments)
    assert optimizer.get_config()["weight_decay"] == 0.0


def test_adam_lr_ratio_is_of_muon():
    name = "rtd_modern_tiny_uncased_en"
    made = settings(preset=name, adam_lr_ratio=0.5)
    assert made.optimizer.arguments("float32")["adam_lr_ratio"] == 0.5
    other = {"preset": name, "optimizer": "adamw", "learning_rate": 1e-3}
    assert "adam_lr_ratio" not in settings(**other).optimizer.arguments("")
    with pytest.raises(ConfigError, match="--adam_lr_ratio must be given with"):
        settings(**other, adam_lr_ratio=0.5)


@pytest.mark.parametrize(
    "given, message",
    [
        (
            {"objective": "mlm", "temperature": 2.0},
            "--temperature must be left",
        ),
        ({"objective": "mlm", "generator_dropout": 0.0}, "has no generator"),
        ({"final_temperature": 1.0}, "--temperature_steps"),
        ({"optimizer": "lamb"}, "--learning_rate must be given with"),
        ({"replacements": "r"}, "given with --frozen_generator"),
        ({"phase2_learning_rate": 1e-4}, "given with --phase2_steps"),
    ],
)
def test_settings_that_contradict_are_named(given, message):
    with pytest.raises(ConfigError, match=message):
        settings(**given)


def test_an_objective_from_outside_has_flags(monkeypatch):
    # Takes it away again at the end.
    monkeypatch.setitem(objectives.OBJECTIVES, "cautious", None)

    @objectives.register
    class Cautious(objectives.Electra):
        name = "cautious"
        caution: float = setting(0.5, "Share of doubt.", above=0, below=1)

    text = " ".join(help_text(flags(), "", {}, "caution").split())
    assert text == "--caution X Share of doubt. Default: the preset's, or 0.5."
    given = parse(
        flags(), "", None, argv("--objective=cautious", "--caution=0.25")
    )
    made = resolve(given=given)
    assert made.objective.caution == 0.25
    assert made.to_dict()["objective"]["caution"] == 0.25
    with pytest.raises(ConfigError, match="--caution must be below 1"):
        settings(objective="cautious", caution=2)
    with pytest.raises(ConfigError, match="--caution must be left out"):
        settings(caution=0.25)


def test_none_takes_away_what_a_preset_has(preset):
    model = ElectraPretrainer.from_preset(preset, compile=False)
    model.optimizer_config["ema_momentum"] = 0.9
    path = preset + "-averaged"
    model.save_to_preset(path)
    made = resolve(given={"preset": path, "data": "x"})
    assert made.optimizer.ema_momentum == 0.9
    made = resolve(given={"preset": path, "data": "x", "ema_momentum": "none"})
    assert made.optimizer.ema_momentum is None
    assert made.to_dict()["optimizer"]["ema_momentum"] == "none"


def test_every_flag_has_a_sentence_and_its_default():
    for name, flag in flags().items():
        if flag.kind is dict:
            continue
        text = " ".join(flag_help(flag, {}).split())
        assert text.startswith(f"--{name} ") and text.endswith("."), text
        sentence, _, default = text.partition(" Default: ")
        assert sentence.endswith(".") and default and len(text) < 400, text


def test_help_fits_a_screen():
    known = flags()
    groups = {flag.group for flag in known.values()}
    overview = help_text(known, "A recipe.", {})
    for text in (overview, *(help_text(known, "", {}, g) for g in groups)):
        lines = text.splitlines()
        assert len(lines) <= 45 and max(map(len, lines)) <= 100
    whole = help_text(known, "A recipe.", {}, "all")
    for name in known:
        if name != "optimizer_options":
            assert f"--{name}" in overview and f"  --{name}" in whole


def test_help_shows_a_recipes_own_defaults(capsys):
    with pytest.raises(SystemExit) as stop:
        main("A recipe.", {"batch_size": 2048}, ["--help", "batch_size"])
    assert stop.value.code == 0
    assert "Default: 2048." in capsys.readouterr().out


def test_training_goes_on_from_another_librarys_weights(tmp_path):
    model = tiny.pretrainer(with_tokenizer=True)
    huggingface.save(model, tmp_path)
    made = resolve(
        given={"init_from": f"hf:{tmp_path}", "data": "x", "dtype": "float32"}
    )
    again = tiny.built(made)
    found = weights.read(again)
    for name, value in weights.read(model).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6)
