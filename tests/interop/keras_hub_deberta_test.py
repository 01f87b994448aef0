"""KerasHub's DeBERTaV3 presets, both ways."""

import io

import keras_hub as hub
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.interop import keras_hub
from keras_rtd.models import DebertaV3Backbone
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.models.deberta_v3.layers import DebertaV3Embedding

ENCODER = {
    "vocabulary_size": len(tiny.VOCABULARY),
    "num_layers": 3,
    "num_heads": 4,
    "hidden_dim": 32,
    "intermediate_dim": 48,
    "max_sequence_length": 40,
    "bucket_size": 8,
}


def spread(model):
    """Weights large enough to tell."""
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        value = ops.convert_to_numpy(variable)
        variable.assign(value + 0.2 * rng.normal(size=value.shape))
    return model


def batch(length=40):
    mask = np.ones((3, length), np.int32)
    mask[1, length // 2 :] = 0
    mask[2, length - 3 :] = 0
    ids = np.random.default_rng(0).integers(
        5, ENCODER["vocabulary_size"], (3, length)
    )
    return {"token_ids": ids.astype("int32") * mask, "padding_mask": mask}


def assert_equal(ours, theirs):
    inputs = batch()
    expected = ops.convert_to_numpy(theirs(inputs))
    segments = np.zeros_like(inputs["token_ids"])
    found = ours({**inputs, "segment_ids": segments})["sequence_output"]
    real = inputs["padding_mask"] > 0
    assert np.abs(expected).mean() > 0.1
    np.testing.assert_allclose(
        ops.convert_to_numpy(found)[real], expected[real], atol=1e-5
    )


def test_there_and_back(tmp_path):
    theirs = spread(hub.models.DebertaV3Backbone(**ENCODER))
    theirs.save_to_preset(str(tmp_path / "theirs"))
    ours = keras_hub.load(tmp_path / "theirs")
    assert type(ours) is DebertaV3Backbone
    assert_equal(ours, theirs)
    keras_hub.save(ours, tmp_path / "ours")
    again = hub.models.Backbone.from_preset(str(tmp_path / "ours"))
    assert type(again) is hub.models.DebertaV3Backbone
    assert again.get_config() == {**theirs.get_config(), "name": again.name}
    assert_equal(ours, again)
    task = ElectraTextClassifier.from_preset(
        str(tmp_path / "theirs"), num_classes=2
    )
    assert_equal(task.backbone, theirs)


def test_training_goes_on_from_a_release(tmp_path, capsys):
    theirs = spread(hub.models.DebertaV3Backbone(**ENCODER))
    theirs.save_to_preset(str(tmp_path))
    model = ElectraPretrainer.from_preset(f"keras_hub:{tmp_path}")
    assert "initialised randomly" in capsys.readouterr().err
    assert_equal(model.backbone, theirs)


def test_disentangled_embeddings_are_added_up(tmp_path):
    generator = spread(DebertaV3Backbone(**ENCODER, name="generator"))
    base = generator.embeddings
    own = DebertaV3Embedding(**base.get_config(), base=base)
    encoder = spread(DebertaV3Backbone(**ENCODER, embeddings=own))
    model = ElectraPretrainer(
        encoder, generator, embedding_sharing="gradient_disentangled"
    )
    keras_hub.save(model, tmp_path)
    assert_equal(encoder, hub.models.Backbone.from_preset(str(tmp_path)))


@pytest.mark.parametrize(
    "options",
    [
        {"share_attention_key": False},
        {"bucket_size": None},
        {"absolute_positions": True},
        {"position_attention": ["c2p"]},
        {"enhanced_mask_decoder": True},
        {"activation": "gelu_approximate", "embedding_dim": 16},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_it_cannot_hold_is_named(tmp_path, options):
    name, value = next(iter(options.items()))
    encoder = DebertaV3Backbone(**{**ENCODER, **options})
    with pytest.raises(ValueError) as error:
        keras_hub.save(encoder, tmp_path / "new")
    assert f"{name}={value!r}" in str(error.value)
    assert not (tmp_path / "new").exists()


def test_a_tokenizer_of_sentencepiece_goes_along(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(tiny.text(80).split("\n")),
        model_writer=file,
        vocab_size=90,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        pad_piece="[PAD]",
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        unk_piece="[UNK]",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    theirs = hub.tokenizers.DebertaV3Tokenizer(proto=file.getvalue())
    size = theirs.vocabulary_size()
    hub.models.DebertaV3Backbone(
        **{**ENCODER, "vocabulary_size": size + 5}
    ).save_to_preset(str(tmp_path / "theirs"))
    theirs.save_to_preset(str(tmp_path / "theirs"))
    texts = ["they said it, now", "over there"]
    expected = [[int(i) for i in theirs(text)] for text in texts]
    ours = keras_hub.load_tokenizer(tmp_path / "theirs")
    assert ours.encode_batch(texts) == expected
    encoder = keras_hub.load(tmp_path / "theirs")
    keras_hub.save(encoder, tmp_path / "ours", ours)
    again = hub.tokenizers.Tokenizer.from_preset(str(tmp_path / "ours"))
    assert type(again) is hub.tokenizers.DebertaV3Tokenizer
    assert [[int(i) for i in again(text)] for text in texts] == expected
    # A table with spare rows, as released.
    model = ElectraPretrainer.from_preset(f"keras_hub:{tmp_path / 'theirs'}")
    assert model.tokenizer.vocabulary_size() == size
    with pytest.warns(UserWarning, match="stays behind.*ElectraTokenizer"):
        keras_hub.save(encoder, tmp_path / "other", tiny.tokenizer())
