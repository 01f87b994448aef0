"""`.keras` files: what `ModelCheckpoint` writes, `load_model` reads."""

import keras
import numpy as np
import pytest
import tiny
import user_models

from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraQuestionAnswerer
from keras_rtd.models import ElectraQuestionAnswererPreprocessor
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import ElectraTokenClassifier
from keras_rtd.models import ElectraTokenClassifierPreprocessor


def test_the_best_model_of_a_fit_predicts_texts(tmp_path):
    path = tmp_path / "best.keras"
    model = user_models.classifier()
    model.fit(
        user_models.TEXTS,
        user_models.LABELS,
        batch_size=4,
        callbacks=keras.callbacks.ModelCheckpoint(path, monitor="loss"),
        verbose=0,
    )
    again = keras.models.load_model(path)
    expected = model.predict(user_models.TEXTS, verbose=0)
    found = again.predict(user_models.TEXTS, verbose=0)
    np.testing.assert_array_equal(found, expected)


def detector():
    task = ElectraReplacedTokenDetector(
        user_models.backbone(), user_models.preprocessor()
    )
    return task, user_models.TEXTS


def masked_lm():
    batch = user_models.encoder_batch()
    batch["mask_positions"] = tiny.batch()["mask_positions"]
    return ElectraMaskedLM(tiny.pretrainer().generator), batch


def tagger():
    preprocessor = ElectraTokenClassifierPreprocessor(tiny.tokenizer(), 16)
    task = ElectraTokenClassifier(
        user_models.backbone(), 3, preprocessor=preprocessor
    )
    return task, [["the", "people"], ["time"]]


def answerer():
    preprocessor = ElectraQuestionAnswererPreprocessor(tiny.tokenizer(), 32)
    task = ElectraQuestionAnswerer(
        user_models.backbone(), preprocessor=preprocessor
    )
    return task, {"question": ["who"], "context": ["the people made it"]}


@pytest.mark.parametrize("make", [detector, masked_lm, tagger, answerer])
def test_every_task_comes_back(make, tmp_path):
    task, data = make()
    path = tmp_path / "task.keras"
    task.save(path)
    again = keras.models.load_model(path)
    found, expected = (m.predict(data, verbose=0) for m in (again, task))
    keras.tree.assert_same_structure(found, expected)
    for a, b in zip(keras.tree.flatten(found), keras.tree.flatten(expected)):
        np.testing.assert_array_equal(a, b)
