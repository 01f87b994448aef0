import importlib.util
import pathlib

import numpy as np
import pytest
import tiny

from keras_rtd.interop import assembly
from keras_rtd.interop import huggingface
from keras_rtd.interop import keras_hub
from keras_rtd.interop import vocabulary
from keras_rtd.interop import weights
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTokenizer
from keras_rtd.models.electra.conversion import TOKEN_TABLE
from keras_rtd.models.settings import ModelSettings
from keras_rtd.utils.setting import ConfigError

RECIPE = pathlib.Path(__file__).parents[2] / "recipes" / "adapt_domain.py"
NEW = [
    "<pad>",
    *tiny.VOCABULARY[1:40],
    "overing",
    "##sed",
    "zebra",
    *tiny.VOCABULARY[43:],
]


@pytest.fixture(scope="module")
def pretrainer():
    model = tiny.pretrainer(with_tokenizer=True)
    bias = model.masked_lm_head.bias
    bias.assign(np.random.default_rng(0).normal(size=bias.shape))
    return model


def recipe():
    spec = importlib.util.spec_from_file_location("adapt_domain", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tokens_keep_their_vectors_and_new_ones_are_means(pretrainer):
    tokenizer = ElectraTokenizer(NEW, pad_token="<pad>")
    changed, counts = vocabulary.change_vocabulary(pretrainer, tokenizer)
    assert counts["split"] == 2 and counts["unknown"] == 1
    assert changed.tokenizer is tokenizer
    old, new = weights.read(pretrainer), weights.read(changed)
    by_token = {TOKEN_TABLE, "generator_predictions/output_bias"}
    for name in by_token:

        def row(token, name=name):
            return old[name][tiny.VOCABULARY.index(token)]

        table = dict(zip(NEW, new[name]))
        np.testing.assert_array_equal(table["people"], row("people"))
        np.testing.assert_array_equal(table["<pad>"], row("[PAD]"))
        np.testing.assert_array_equal(table["zebra"], row("[UNK]"))
        for token, pieces in (
            ("overing", ("over", "##ing")),
            ("##sed", ("##s", "##ed")),
        ):
            mean = np.mean([row(piece) for piece in pieces], axis=0)
            np.testing.assert_allclose(table[token], mean, rtol=1e-6)
    for name in set(old) - by_token:
        np.testing.assert_array_equal(old[name], new[name])


def test_the_same_vocabulary_changes_nothing():
    pieces, counts = vocabulary.old_pieces(tiny.tokenizer(), tiny.tokenizer())
    assert pieces == [[i] for i in range(len(tiny.VOCABULARY))]
    assert counts["kept"] == len(pieces)


def test_a_model_without_tokenizer_is_refused():
    with pytest.raises(ValueError, match="no tokenizer"):
        vocabulary.change_vocabulary(tiny.pretrainer(), tiny.tokenizer())


def test_the_recipe_prepares_what_training_starts_from(
    pretrainer, tmp_path, capsys
):
    huggingface.save(pretrainer, tmp_path / "hf")
    (tmp_path / "new.txt").write_text("\n".join(["[PAD]", *NEW[1:]]))
    settings = ModelSettings(vocabulary=str(tmp_path / "new.txt"))
    recipe().prepare(f"hf:{tmp_path}/hf", None, settings, tmp_path / "initial")
    assert "2 start from their pieces, 1 from [UNK]" in capsys.readouterr().out
    again = ElectraPretrainer.from_preset(str(tmp_path / "initial"))
    assert again.tokenizer.vocabulary_size() == len(NEW)
    trained = again.train_on_batch(
        tiny.batch(vocabulary=len(NEW)), return_dict=True
    )
    assert np.isfinite(trained["loss"])


def test_a_lone_encoder_gets_a_generator(pretrainer, tmp_path, capsys):
    with pytest.warns(UserWarning, match="tanh-gelu"):
        keras_hub.save(pretrainer, tmp_path)
    joined = recipe().load(f"keras_hub:{tmp_path}")
    said = capsys.readouterr().out
    assert "detection head, generator, masked-token head" in said
    assert joined.generator.hidden_dim == 4
    assert joined.tokenizer.fingerprint() == tiny.tokenizer().fingerprint()


def test_models_that_do_not_fit_are_refused(pretrainer):
    generator = pretrainer.masked_lm()
    with pytest.raises(ValueError, match="ElectraMaskedLM"):
        assembly.join(generator, generator)
    other = ElectraBackbone(50, 1, 1, 8, 12, 16)
    with pytest.raises(ValueError, match="vocabulary_size: .* and 50"):
        assembly.join(pretrainer.replaced_token_detector(), other)


def test_the_recipe_wants_a_source():
    with pytest.raises(ConfigError, match="--source must be given"):
        recipe().adapt(["--data", "x"])
