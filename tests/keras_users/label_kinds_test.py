"""Names of classes, one-hot and multi-label targets, weights."""

import keras
import numpy as np
import pytest
import user_models

NAMES = ["negative", "positive"]


def loss(model, y, **kwargs):
    """The loss of the first step, dropout off."""
    history = model.fit(user_models.TEXTS, y, verbose=0, **kwargs)
    return history.history["loss"][0]


def models(count, **kwargs):
    """Models of equal weights, without dropout."""
    made = [user_models.classifier(dropout=0.0, **kwargs) for _ in range(count)]
    for model in made[1:]:
        model.set_weights(made[0].get_weights())
    return made


def test_names_are_their_numbers():
    names, numbers = models(2, class_names=NAMES)
    y = [NAMES[i] for i in user_models.LABELS]
    expected = loss(numbers, user_models.LABELS)
    np.testing.assert_allclose(loss(names, y), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="'neutral' is none of the classes"):
        names.fit(user_models.TEXTS, ["neutral"] * 8)
    with pytest.raises(ValueError, match="give the task `class_names`"):
        user_models.classifier().fit(user_models.TEXTS, y)


def test_names_in_a_dataset_are_their_numbers():
    import tensorflow as tf

    names, numbers = models(2, class_names=NAMES)
    y = [NAMES[i] for i in user_models.LABELS]
    data = tf.data.Dataset.from_tensor_slices((user_models.TEXTS, y)).batch(8)
    found = names.fit(data, verbose=0).history["loss"][0]
    expected = loss(numbers, user_models.LABELS)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_one_hot_labels_want_their_loss():
    plain, one_hot = models(2, num_classes=2)
    y = np.eye(2)[user_models.LABELS]
    with pytest.raises(ValueError, match="CategoricalCrossentropy"):
        plain.fit(user_models.TEXTS, y)
    one_hot.compile(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True), metrics=[]
    )
    expected = loss(plain, user_models.LABELS)
    np.testing.assert_allclose(loss(one_hot, y), expected, rtol=1e-6)


def test_several_classes_of_a_text():
    (model,) = models(1, num_classes=3)
    model.compile(
        loss=keras.losses.BinaryCrossentropy(from_logits=True), metrics=[]
    )
    y = np.array([[1, 0, 1], [0, 0, 0]] * 4)
    logits = model.predict(user_models.TEXTS, verbose=0)
    expected = np.mean(np.logaddexp(0, logits) - y * logits)
    np.testing.assert_allclose(loss(model, y), expected, rtol=1e-5)


def test_weights_of_classes_and_texts():
    by_name, by_number, by_text, half = models(4, class_names=NAMES)
    positive = half.evaluate(
        user_models.TEXTS[1::2], user_models.LABELS[1::2], verbose=0
    )[0]
    found = [
        loss(by_name, user_models.LABELS, class_weight={NAMES[0]: 0.0}),
        loss(by_number, user_models.LABELS, class_weight={0: 0.0}),
        loss(by_text, user_models.LABELS, sample_weight=[0.0, 1.0] * 4),
    ]
    # Keras divides by the number of texts, not by the weights.
    np.testing.assert_allclose(found, 0.5 * positive, rtol=1e-5)
    with pytest.raises(ValueError, match="'neutral' is none of the classes"):
        by_name.fit(
            user_models.TEXTS, user_models.LABELS, class_weight={"neutral": 1.0}
        )
