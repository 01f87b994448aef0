"""Labels that are no class."""

import pytest
import tiny
import user_models

from keras_rtd.models import ElectraTokenClassifier
from keras_rtd.models import ElectraTokenClassifierPreprocessor


@pytest.mark.parametrize("label", [2, -1, 0.5])
@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch"])
def test_they_are_named(method, label):
    model = user_models.classifier()
    with pytest.raises(ValueError, match=f"label {label} is no class.*to 1"):
        getattr(model, method)(user_models.TEXTS, [0, label] * 4)


def test_in_a_dataset_training_stops():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(
        (user_models.TEXTS, [0, 7] * 4)
    ).batch(4)
    with pytest.raises(FloatingPointError, match="labels that are no class"):
        user_models.classifier().fit(data, verbose=0)


def test_those_of_words_too():
    tagger = ElectraTokenClassifier(
        user_models.backbone(),
        3,
        preprocessor=ElectraTokenClassifierPreprocessor(tiny.tokenizer(), 16),
    )
    with pytest.raises(ValueError, match="label 3 is no class"):
        tagger.fit([["the", "people"]], [[0, 3]], verbose=0)
