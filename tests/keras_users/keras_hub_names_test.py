"""What KerasHub and Keras offer for every task."""

import keras
import keras_hub
import pytest
import tiny
import user_models

from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraReplacedTokenDetector


def test_masked_lm_from_a_pretrainers_preset(tmp_path):
    path = str(tmp_path / "preset")
    tiny.pretrainer(with_tokenizer=True).save_to_preset(path)
    model = keras_hub.models.MaskedLM.from_preset(path)
    assert isinstance(model, ElectraMaskedLM)
    with pytest.raises(ValueError, match="masks no tokens"):
        model.fit(user_models.TEXTS)
    model.preprocessor = None
    batch = user_models.encoder_batch()
    batch["mask_positions"] = tiny.batch()["mask_positions"]
    y, weights = tiny.batch()["mask_ids"], tiny.batch()["mask_weights"]
    losses = [
        model.train_on_batch(batch, y, sample_weight=weights) for _ in range(3)
    ]
    assert losses[-1][0] < losses[0][0]


def test_no_texts_give_no_rows():
    assert user_models.classifier().predict([], verbose=0).shape == (0, 2)
    detector = ElectraReplacedTokenDetector(
        user_models.backbone(), user_models.preprocessor()
    )
    found = detector.predict([], verbose=0)
    assert found["discriminator_logits"].shape == (0, 16)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_nothing_can_be_learnt_from_no_texts(method):
    with pytest.raises(ValueError, match="no texts"):
        getattr(user_models.classifier(), method)([], [])


@pytest.mark.parametrize("format", ["onnx", "litert", "openvino"])
def test_exports_name_what_writes_them(format, tmp_path):
    path = tmp_path / "file"
    for model in (user_models.classifier(), user_models.backbone()):
        with pytest.raises(ValueError, match="call keras_rtd.export"):
            model.export(path, format=format)
    assert not path.exists()


def test_a_saved_model_of_keras(tmp_path):
    model, path = user_models.classifier(), tmp_path / "saved"
    if keras.config.backend() != "tensorflow":
        with pytest.raises(ValueError, match="keras_rtd.export.saved_model"):
            model.export(path)
        return
    model.export(path, verbose=False)
    import tensorflow as tf

    batch = user_models.encoder_batch()
    loaded = tf.saved_model.load(str(path))
    found = loaded.serve(batch)
    expected = model.predict(batch, verbose=0)
    assert abs(found.numpy() - expected).max() < 1e-5
