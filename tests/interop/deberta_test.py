"""Microsoft's DeBERTa files, both ways."""

import json
import pathlib

import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.interop import convert
from keras_rtd.interop import deberta
from keras_rtd.models import DebertaV3Backbone
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import ElectraTextClassifier

TRACES = pathlib.Path(__file__).parents[3] / "shared" / "reference"
WORDS = "deberta.embeddings.word_embeddings"


@pytest.fixture
def trace():
    path = TRACES / "deberta_small.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with np.load(path) as archive:
        return dict(archive)


def of_network(trace, network):
    prefix = f"before/{network}/"
    found = {
        name.removeprefix(prefix): value
        for name, value in trace.items()
        if name.startswith(prefix)
    }
    if network == "discriminator":
        # Microsoft's files hold both.
        base = trace[f"before/generator/{WORDS}.weight"]
        found[f"{WORDS}.weight"] = base + found[f"{WORDS}._weight"]
    return found


def write_npz(path, arrays):
    np.savez(f"{path}.npz", **arrays)


def write_safetensors(path, arrays):
    module = pytest.importorskip("safetensors.numpy")
    module.save_file(arrays, f"{path}.safetensors")


def write_pickle(path, arrays):
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(value) for name, value in arrays.items()}
    torch.save(tensors, f"{path}.bin")


WRITERS = {
    "npz": write_npz,
    "safetensors": write_safetensors,
    "bin": write_pickle,
}


def write_run(folder, trace, write=write_npz, change=None):
    """A training run's directory."""
    config = json.loads(str(trace["config_json"]))["model_config"]
    for network in ("generator", "discriminator"):
        arrays = of_network(trace, network)
        if change is not None:
            arrays = change(network, arrays)
        if arrays is None:
            continue
        (folder / network).mkdir(parents=True)
        write(folder / network / "pytorch.model-000008", arrays)
        (folder / network / "model_config.json").write_text(json.dumps(config))
    return folder


def step(trace):
    names = ("token_ids", "padding_mask", "masked_token_ids")
    names += ("mask_positions", "mask_ids", "mask_weights", "sampled_ids")
    found = {name: trace[f"step0/{name}"] for name in names}
    return {**found, "segment_ids": np.zeros_like(found["token_ids"])}


def assert_is_the_traces(model, trace):
    assert type(model) is ElectraPretrainer
    assert model.embedding_sharing == "gradient_disentangled"
    batch = step(trace)
    outputs = model.predict_on_batch(batch)
    for name, weights in (
        ("generator_logits", batch["mask_weights"]),
        ("discriminator_logits", batch["padding_mask"]),
    ):
        real = weights > 0
        np.testing.assert_allclose(
            outputs[name][real], trace[f"step0/{name}"][real], atol=2e-5
        )


@pytest.mark.parametrize("kind", WRITERS)
def test_a_run_is_read_and_written(trace, tmp_path, kind, capsys):
    folder = write_run(tmp_path / "theirs", trace, WRITERS[kind])
    model = deberta.load(folder)
    assert_is_the_traces(model, trace)
    assert not capsys.readouterr().err
    deberta.save(model, tmp_path / "ours")
    safetensors = pytest.importorskip("safetensors.numpy")
    for network in ("generator", "discriminator"):
        path = tmp_path / "ours" / network / "model.safetensors"
        found = safetensors.load_file(path)
        expected = of_network(trace, network)
        unread = "deberta.embeddings.position_embeddings"
        if network == "discriminator":
            # The sum is what the next step would read.
            del expected[f"{unread}._weight"]
            assert not found.pop(f"{unread}._weight").any()
            del found[f"{unread}.weight"]
        assert sorted(found) == sorted(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=2e-7)
    assert_is_the_traces(deberta.load(tmp_path / "ours"), trace)


def test_a_release_is_read(trace, tmp_path):
    # As microsoft/deberta-v3-xsmall lies on the hub, in older names.
    config = json.loads(str(trace["config_json"]))["model_config"]
    content = {**config["discriminator"], "model_type": "deberta-v2"}
    (tmp_path / "config.json").write_text(json.dumps(content))
    for network, name in (
        ("generator", "pytorch_model.generator"),
        ("discriminator", "pytorch_model"),
    ):
        arrays = {
            key.replace("deberta.", "bert."): value
            for key, value in of_network(trace, network).items()
        }
        arrays["lm_predictions.lm_head.left_over"] = np.ones(3, "float32")
        write_pickle(tmp_path / name, arrays)
    model = ElectraPretrainer.from_preset(f"deberta:{tmp_path}")
    assert model.generator.num_layers == 2
    assert_is_the_traces(model, trace)
    # The encoder alone, with the tables added up.
    task = ElectraTextClassifier.from_preset(
        f"deberta:{tmp_path}", num_classes=2
    )
    batch = step(trace)
    inputs = {
        name: batch[name]
        for name in ("token_ids", "segment_ids", "padding_mask")
    }
    found, expected = (
        ops.convert_to_numpy(encoder(inputs)["sequence_output"])
        for encoder in (task.backbone, model.backbone)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_without_a_delta_it_is_the_difference(trace, tmp_path, capsys):
    def change(network, arrays):
        arrays.pop(f"{WORDS}._weight", None)
        return arrays

    model = deberta.load(write_run(tmp_path, trace, change=change))
    said = capsys.readouterr().err
    assert "its table less the generator's" in said
    assert said.count("\n") == 1
    assert_is_the_traces(model, trace)
    delta = ops.convert_to_numpy(model.backbone.embeddings.token_table)
    expected = trace[f"before/discriminator/{WORDS}._weight"]
    np.testing.assert_allclose(delta[: len(expected)], expected, atol=1e-6)


def test_the_sum_may_be_a_step_behind(trace, tmp_path):
    def change(network, arrays):
        if network == "discriminator":
            arrays[f"{WORDS}.weight"] += 0.01
        return arrays

    model = deberta.load(write_run(tmp_path, trace, change=change))
    assert_is_the_traces(model, trace)


def test_without_a_generator_one_is_made(trace, tmp_path, capsys):
    def change(network, arrays):
        return None if network == "generator" else arrays

    folder = write_run(tmp_path, trace, change=change)
    detector = deberta.load(folder)
    assert type(detector) is ElectraReplacedTokenDetector
    model = ElectraPretrainer.from_preset(f"deberta:{folder}")
    assert "generator" in capsys.readouterr().err
    assert model.generator.num_layers == 2
    assert model.generator.enhanced_mask_decoder
    assert model.embedding_sharing == "gradient_disentangled"
    batch = step(trace)
    real = batch["padding_mask"] > 0
    found = model.predict_on_batch(batch)["discriminator_logits"]
    expected = trace["step0/discriminator_logits"]
    np.testing.assert_allclose(found[real], expected[real], atol=2e-5)


def test_without_a_discriminator_it_is_the_generator(trace, tmp_path):
    def change(network, arrays):
        return arrays if network == "generator" else None

    folder = write_run(tmp_path, trace, change=change)
    assert type(deberta.load(folder)) is ElectraMaskedLM
    with pytest.raises(ValueError, match="has no discriminator"):
        ElectraPretrainer.from_preset(f"deberta:{folder}")


def test_faults_are_named(trace, tmp_path):
    def change(network, arrays):
        if network == "discriminator":
            del arrays["mask_predictions.dense.bias"]
        return arrays

    folder = write_run(tmp_path / "missing", trace, change=change)
    with pytest.raises(ValueError, match="missing: mask_predictions.dense.bi"):
        deberta.load(folder)
    with pytest.raises(ValueError, match="none of Microsoft's files"):
        deberta.load(tmp_path)
    with pytest.raises(ValueError, match="family deberta_v3"):
        deberta.save(tiny.pretrainer(), tmp_path / "electra")
    with pytest.raises(ValueError, match="Received: DebertaV3Backbone"):
        deberta.save(DebertaV3Backbone(64, 2, 2, 16, 32), tmp_path / "encoder")


def test_a_pickle_that_runs_code_is_refused(trace, tmp_path):
    pytest.importorskip("torch")
    folder = write_run(tmp_path, trace, write_pickle)
    path = folder / "generator" / "pytorch.model-000008.bin"
    target = tmp_path / "ran"
    path.write_bytes(
        b"cposix\nsystem\n(S'touch " + str(target).encode() + b"'\ntR."
    )
    with pytest.raises(ValueError, match="cannot be read"):
        deberta.load(folder)
    assert not target.exists()


@pytest.mark.parametrize("sharing", ["shared", "gradient_disentangled"])
def test_ours_go_there_and_back(tmp_path, sharing):
    model = ElectraPretrainer.from_preset(
        "electra_tiny_uncased_en",
        load_weights=False,
        family="deberta_v3",
        embedding_sharing=sharing,
        hidden_dim=32,
        embedding_dim=32,
        num_heads=2,
        num_layers=2,
        intermediate_dim=48,
        generator_hidden_dim=32,
        generator_num_heads=2,
        generator_intermediate_dim=48,
    )
    if sharing != "shared":
        table = model.backbone.embeddings.token_table
        table.assign(np.random.default_rng(0).normal(size=table.shape))
    source, target = str(tmp_path / "preset"), tmp_path / "theirs"
    model.save_to_preset(source)
    status = convert.main(
        ["convert", "--from", f"preset:{source}", "--to", f"deberta:{target}"]
    )
    assert status == 0
    again = ElectraPretrainer.from_preset(f"deberta:{target}")
    assert again.tokenizer.fingerprint() == model.tokenizer.fingerprint()
    batch = tiny.batch(vocabulary=8192)
    batch["sampled_ids"] = batch["mask_ids"]
    expected, found = (m.predict_on_batch(batch) for m in (model, again))
    for name in ("generator_logits", "discriminator_logits"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
