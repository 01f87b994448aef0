import subprocess
import sys

import keras
import keras_hub as hub
import numpy as np
import pytest
import tiny

from keras_rtd.interop import keras_hub
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraTokenizer

PLAIN = """
import sys, numpy as np, keras_hub
backbone = keras_hub.models.Backbone.from_preset(sys.argv[1])
assert type(backbone) is keras_hub.models.ElectraBackbone
assert "keras_rtd" not in sys.modules
batch = dict(np.load(sys.argv[2]))
np.save(sys.argv[3], backbone.predict_on_batch(batch)["sequence_output"])
"""


def batch():
    full = tiny.batch()
    return {
        name: full[name].astype(np.int32)
        for name in ("token_ids", "segment_ids", "padding_mask")
    }


def encoder(activation, embedding_dim=12):
    keras.utils.set_random_seed(0)
    model = ElectraBackbone(
        len(tiny.VOCABULARY),
        2,
        4,
        16,
        embedding_dim,
        24,
        0.0,
        20,
        activation=activation,
    )
    for variable in model.trainable_variables:
        if variable.name not in ("gamma", "beta"):
            variable.assign(variable.numpy() * 10.0)
    return model


@pytest.mark.parametrize("embedding_dim", [12, 16])
def test_what_keras_hub_wrote_is_loaded(tmp_path, embedding_dim):
    theirs = hub.models.ElectraBackbone(
        60, 2, 4, 16, embedding_dim, 24, 0.0, 20
    )
    theirs.save_to_preset(str(tmp_path))
    ours = keras_hub.load(tmp_path)
    assert ours.activation == "gelu_approximate"
    inputs = {k: v % 60 if k == "token_ids" else v for k, v in batch().items()}
    np.testing.assert_allclose(
        ours.predict_on_batch(inputs)["sequence_output"],
        theirs.predict_on_batch(inputs)["sequence_output"],
        atol=1e-5,
    )


@pytest.mark.run_once
def test_keras_hub_loads_what_was_saved_without_this_package(tmp_path):
    ours = encoder("gelu_approximate")
    keras_hub.save(ours, tmp_path / "preset", tokenizer=tiny.tokenizer())
    np.savez(tmp_path / "batch.npz", **batch())
    result = tmp_path / "output.npy"
    arguments = [tmp_path / "preset", tmp_path / "batch.npz", result]
    subprocess.run([sys.executable, "-c", PLAIN, *arguments], check=True)
    np.testing.assert_allclose(
        np.load(result),
        ours.predict_on_batch(batch())["sequence_output"],
        atol=1e-5,
    )
    again = keras_hub.load(tmp_path / "preset")
    for old, new in zip(ours.weights, again.weights):
        # Padding rows of the token table start anew.
        rows = len(tiny.VOCABULARY) if old.name == "token_embedding" else None
        np.testing.assert_array_equal(old.numpy()[:rows], new.numpy()[:rows])
    tokenizer = keras_hub.load_tokenizer(tmp_path / "preset")
    assert tokenizer.fingerprint() == tiny.tokenizer().fingerprint()


def test_erf_gelu_changes_a_little_and_says_so(tmp_path):
    ours = encoder("gelu")
    with pytest.warns(UserWarning, match="tanh-gelu"):
        keras_hub.save(ours, tmp_path)
    theirs = hub.models.Backbone.from_preset(str(tmp_path))
    found = theirs.predict_on_batch(batch())
    np.testing.assert_allclose(
        found["sequence_output"],
        ours.predict_on_batch(batch())["sequence_output"],
        atol=2e-2,
    )
    # The pooler that ELECTRA has not.
    np.testing.assert_allclose(
        found["pooled_output"],
        np.tanh(found["sequence_output"][:, 0]),
        atol=1e-5,
    )


def test_keras_hub_finds_our_own_preset(tmp_path):
    pretrainer = tiny.pretrainer(with_tokenizer=True)
    pretrainer.save_to_preset(str(tmp_path))
    backbone = hub.models.Backbone.from_preset(str(tmp_path))
    assert type(backbone) is ElectraBackbone
    np.testing.assert_array_equal(
        backbone.embeddings.token_table.numpy(),
        pretrainer.backbone.embeddings.token_table.numpy(),
    )
    with pytest.raises(ValueError, match="not KerasHub's ElectraBackbone"):
        keras_hub.load(tmp_path)


def test_what_is_not_there_is_named():
    with pytest.raises(ValueError, match="No KerasHub preset 'nowhere'"):
        keras_hub.load("nowhere")


def test_special_tokens_of_other_names_are_refused(tmp_path):
    tokenizer = ElectraTokenizer(["<s>", *tiny.VOCABULARY], cls_token="<s>")
    with pytest.raises(ValueError, match="cls_token='<s>'"):
        keras_hub.save(encoder("gelu"), tmp_path, tokenizer=tokenizer)
