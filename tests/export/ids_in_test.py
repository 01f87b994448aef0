"""SavedModels of tokenizers that no TensorFlow graph computes."""

import numpy as np
import pytest
import tiny

import keras_rtd
from keras_rtd import tokenizers
from keras_rtd.models import ElectraPreprocessor
from keras_rtd.models import ElectraPretrainer

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text")


def test_ids_go_in_and_the_tokenizer_is_beside(tmp_path, capsys):
    tokenizer = tokenizers.UnigramTokenizer.from_texts([tiny.text()], 400)
    sizes = {
        "vocabulary_size": tokenizer.vocabulary_size(),
        "num_layers": 1,
        "num_heads": 2,
        "embedding_dim": 8,
        "intermediate_dim": 16,
        "max_sequence_length": 32,
    }
    backbone = keras_rtd.models.ElectraBackbone(hidden_dim=16, **sizes)
    generator = keras_rtd.models.ElectraBackbone(
        hidden_dim=8, embeddings=backbone.embeddings, name="generator", **sizes
    )
    model = ElectraPretrainer(
        backbone,
        generator,
        preprocessor=ElectraPreprocessor(tokenizer, sequence_length=16),
    )
    preset = tmp_path / "preset"
    model.save_to_preset(str(preset))
    path = tmp_path / "saved_model"
    for _ in range(2):
        # The second one replaces the first.
        keras_rtd.export.saved_model(str(preset), str(path))
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith(f"{path} takes ids") and "tokenizer.json" in line
    beside = tokenizers.load(path)
    assert beside.fingerprint() == tokenizer.fingerprint()
    texts = ["They walked. 😀", "the times"]
    features = model.preprocessor(texts)
    ids = {n: tf.constant(np.array(v), tf.int32) for n, v in features.items()}
    loaded = tf.saved_model.load(str(path))
    served = loaded.signatures["serve"](**ids)
    detector = keras_rtd.models.ElectraReplacedTokenDetector.from_preset(
        str(preset), dtype="float32"
    )
    logits = np.array(detector.predict(texts)["discriminator_logits"])
    real = np.array(features["padding_mask"])
    expected = 1 / (1 + np.exp(-logits))
    found = served["replaced_probability"].numpy()
    np.testing.assert_allclose(found[real], expected[real], atol=1e-5)
    vocabulary = tokenizer.get_vocabulary()
    assert (
        served["tokens"].numpy()[0, 1].decode()
        == vocabulary[int(features["token_ids"][0, 1])]
    )
    encoded = loaded.signatures["encode"](**ids)
    assert encoded["cls_embedding"].shape == (2, 16)
