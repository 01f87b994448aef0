import numpy as np
import pytest
import tiny

from keras_rtd.interop import convert
from keras_rtd.interop import google
from keras_rtd.interop import huggingface


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    path = tmp_path_factory.mktemp("preset")
    pretrainer = tiny.pretrainer(with_tokenizer=True)
    pretrainer.save_to_preset(str(path))
    return path, google.to_variables(pretrainer)


def run(capsys, source, target):
    status = convert.main(["convert", "--from", source, "--to", target])
    said = capsys.readouterr()
    return status, said.out + said.err


def test_a_pretrainer_goes_around(preset, tmp_path, capsys):
    path, expected = preset
    places = [
        f"preset:{path}",
        f"hf:{tmp_path}/hf",
        f"google:{tmp_path}/google/model.ckpt",
        f"preset:{tmp_path}/again",
    ]
    for source, target in zip(places, places[1:]):
        status, said = run(capsys, source, target)
        assert status == 0, said
        assert "left out" not in said
        for part in ("embeddings", "detection head", "masked-token head"):
            assert part in said
        assert f"{len(tiny.VOCABULARY):,} tokens" in said
    again = convert.Preset.load(str(tmp_path / "again"))
    assert again.tokenizer.fingerprint() == tiny.tokenizer().fingerprint()
    found = google.to_variables(again)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_what_keras_hub_cannot_hold_is_said(preset, tmp_path, capsys):
    path, _ = preset
    status, said = run(capsys, f"preset:{path}", f"keras_hub:{tmp_path}/hub")
    assert status == 0
    assert said.count("left out: KerasHub's encoder") == 3
    assert "note: KerasHub's ElectraBackbone computes tanh-gelu" in said
    status, said = run(capsys, f"keras_hub:{tmp_path}/hub", f"hf:{tmp_path}/hf")
    assert status == 0, said
    assert huggingface.load(tmp_path / "hf").activation == "gelu_approximate"
    tokenizer = huggingface.load_tokenizer(tmp_path / "hf")
    assert tokenizer.fingerprint() == tiny.tokenizer().fingerprint()


def test_errors_are_one_message_and_a_status(preset, tmp_path, capsys):
    path, _ = preset
    for source, message in (
        ("zip:x", "FORMAT"),
        ("hf:", "FORMAT"),
        (f"hf:{tmp_path}", "config.json"),
        (f"google:{tmp_path}/x", "x.index"),
        (f"keras_hub:{path}", "KerasHub's ElectraBackbone"),
        (f"preset:{tmp_path}/x", "No preset"),
    ):
        status, said = run(capsys, source, f"hf:{tmp_path}/out")
        assert status == 2
        assert message in said
