"""A frozen generator's samples, made beforehand and read by a run."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_rtd import export
from keras_rtd.data import pretraining_dataset
from keras_rtd.data.dataset import iterate
from keras_rtd.data.replacements import Replacements
from keras_rtd.data.replacements import uniform_of
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.pretraining import main
from keras_rtd.pretraining import pretrain
from keras_rtd.pretraining import resolve
from keras_rtd.pretraining.draw_replacements import main as sample
from keras_rtd.training import Checkpoint


def flags(world, output, *more):
    return [
        f"--data={world / 'prepared'}",
        f"--generator={world / 'preset'}",
        f"--output={output}",
        "--sequence_length=16",
        "--dtype=float32",
        *more,
    ]


def settings(world, run_dir, **more):
    return {
        "preset": str(world / "preset"),
        "data": (str(world / "prepared"),),
        "run_dir": str(run_dir),
        "frozen_generator": str(world / "preset"),
        "batch_size": 4,
        "sequence_length": 16,
        "eval_every": 3,
        "eval_batches": 2,
        "train_steps": 6,
        "warmup_steps": 2,
        "learning_rate": 1e-2,
        "dtype": "float32",
        **more,
    }


@pytest.fixture(autouse=True)
def no_saved_model(monkeypatch):
    """Its own tests write it; here it would take most of the time."""
    monkeypatch.setattr(export, "saved_model", lambda *paths: None)


@pytest.fixture(scope="module")
def sampled(world):
    assert sample(flags(world, world / "sampled")) == 0
    return world / "sampled"


def by_hand(logits, uniform):
    """The block of 64 tokens first, then the token, in float64."""
    extra = -logits.shape[-1] % 64
    padded = np.pad(logits, ((0, 0), (0, extra)), constant_values=-1e9)
    p = np.exp(padded - padded.max(1, keepdims=True)).astype(np.float64)
    blocks = p.reshape(len(p), -1, 64)
    ids = []
    for row, (first, second) in zip(blocks, uniform.astype(np.float64)):
        mass = np.cumsum(row.sum(1))
        block = np.searchsorted(mass, first * mass[-1], "right")
        inside = np.cumsum(row[block])
        ids.append(
            64 * block + np.searchsorted(inside, second * inside[-1], "right")
        )
    return np.array(ids)


@pytest.mark.parametrize(
    "temperature, segments", [(1.0, "pair"), (3.0, "documents")]
)
def test_samples_are_the_generators(world, tmp_path, temperature, segments):
    more = [f"--temperature={temperature}", f"--segments={segments}"]
    assert not sample(flags(world, tmp_path, *more))
    found = Replacements(tmp_path)
    batch = next(
        iterate(
            pretraining_dataset(
                str(world / "prepared"),
                sequence_length=16,
                batch_size=64,
                segments=segments,
            )
        )
    )
    slots = batch["mask_positions"].shape[1]
    masked_lm = ElectraMaskedLM.from_preset(str(world / "preset"))
    inputs = {
        "token_ids": batch["masked_token_ids"],
        "segment_ids": batch["segment_ids"],
        "padding_mask": batch["padding_mask"].astype("int32"),
    }
    if segments == "documents":
        inputs["document_ids"] = batch["document_ids"]
        assert batch["document_ids"].max() > 1
    encoded = masked_lm.backbone(inputs, training=False)["sequence_output"]
    logits = masked_lm.masked_lm_head(encoded, batch["mask_positions"])
    logits = ops.convert_to_numpy(logits).reshape(64 * slots, -1)
    example = np.arange(64)
    expected = by_hand(logits / temperature, uniform_of(0, example, slots))
    # Where a random number lies on a border, rounding decides.
    same = found.rows(example).ravel() == expected
    assert same.mean() > 0.98


def test_a_run_reads_them_and_gets_what_a_live_one_does(
    world, sampled, tmp_path
):
    path = str(sampled)
    cached = settings(world, tmp_path / "cached", replacements=path)
    model = pretrain(resolve(given=cached))
    assert model.optimizer.iterations == 6
    text = (tmp_path / "cached" / "metrics.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert all("probe_auc" in row for row in rows)
    assert not any("generator_loss" in row for row in rows)
    # The same steps by hand: batches without samples, and these.
    live = ElectraPretrainer.from_preset(
        str(tmp_path / "cached" / "preset"), compile=False
    )
    batches = iterate(
        pretraining_dataset(
            str(world / "prepared"), sequence_length=16, batch_size=4
        )
    )
    plain = next(batches)
    samples = Replacements(path).rows(np.arange(4))
    given = next(
        iterate(
            pretraining_dataset(
                str(world / "prepared"),
                sequence_length=16,
                batch_size=4,
                replacements=path,
            )
        )
    )
    np.testing.assert_array_equal(given["sampled_ids"], samples)
    live.compile()
    losses = [
        float(live.test_on_batch(batch, return_dict=True)["loss"])
        for batch in (given, {**plain, "sampled_ids": samples})
    ]
    assert losses[0] == losses[1]


@pytest.mark.run_once
def test_a_killed_run_goes_on_to_the_same_weights(world, sampled, tmp_path):
    path = str(sampled)
    whole = pretrain(
        resolve(given=settings(world, tmp_path / "a", replacements=path))
    )

    class Killed(Exception):
        pass

    config = resolve(
        given=settings(
            world, tmp_path / "b", replacements=path, checkpoint_every=2
        )
    )
    save = Checkpoint.save

    def save_and_die(self):
        save(self)
        self.wait()
        if self.step == 4:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_and_die)
        with pytest.raises(Killed):
            pretrain(config)
    again = pretrain(config)
    for one, other in zip(whole.variables, again.variables):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(one), ops.convert_to_numpy(other)
        )


@pytest.mark.run_once
def test_stale_replacements_end_with_one_line(world, sampled, tmp_path, capsys):
    def run(name, **more):
        values = settings(world, tmp_path / name, replacements=str(sampled))
        values |= more
        values["data"] = values["data"][0]
        argv = [f"--{k}={v}" for k, v in values.items()]
        try:
            status = main("A recipe.", None, argv)
        except SystemExit as stop:
            status = stop.code
        error = capsys.readouterr().err
        assert status == 2
        assert error.startswith("error: ") and error.count("\n") == 1
        return error

    keras.utils.set_random_seed(99)
    other = ElectraPretrainer.from_preset(
        str(world / "preset"), load_weights=False
    )
    other.save_to_preset(str(tmp_path / "other"))
    error = run("a", frozen_generator=str(tmp_path / "other"))
    assert "sampled for another generator" in error
    assert "another seed: 0 there, 1 here" in run("b", seed=1)
    assert "another temperature: 1.0 there, 2.0" in run("c", temperature=2.0)
    assert "no finished replacements" in run("d", replacements=str(tmp_path))
    assert "--unigram_warmup_steps must be left out" in run(
        "e", unigram_warmup_steps=3
    )
    assert "samples from no masked LM" in run("f", objective="mlm")
    assert "--generator_dropout must be left out" in run(
        "g", generator_dropout=0.1
    )


@pytest.mark.run_once
def test_a_falling_temperature_needs_all_of_its_steps(world, tmp_path, capsys):
    falling = {"final_temperature": 1.0, "temperature_steps": 4}
    more = [f"--{name}={value}" for name, value in falling.items()]
    more += ["--temperature=2", "--batch_size=4"]
    for epochs, enough in ((0.01, False), (1, True)):
        output = tmp_path / str(epochs)
        assert not sample(flags(world, output, *more, f"--epochs={epochs}"))
        values = settings(
            world,
            tmp_path / f"run-{epochs}",
            replacements=str(output),
            temperature=2.0,
            **falling,
        )
        if enough:
            assert pretrain(resolve(given=values)) is not None
            values["batch_size"] = 8
            values["run_dir"] += "-8"
            message = "another temperature_examples: 16 there, 32 here"
        else:
            message = "sample more --epochs"
        with pytest.raises(ValueError, match=message):
            pretrain(resolve(given=values))
