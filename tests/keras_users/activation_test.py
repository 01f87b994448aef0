"""`activation` of a classifier is that of its output."""

import numpy as np
import pytest
import tiny
import user_models

from keras_rtd.models import ElectraTextClassifier


def test_it_is_the_outputs(tmp_path):
    path = str(tmp_path / "preset")
    tiny.pretrainer(with_tokenizer=True).save_to_preset(path)
    model = ElectraTextClassifier.from_preset(
        path, num_classes=3, activation="softmax"
    )
    sums = model.predict(user_models.TEXTS, verbose=0).sum(-1)
    np.testing.assert_allclose(sums, 1.0, rtol=1e-6)
    # The loss takes probabilities then.
    history = model.fit(user_models.TEXTS, user_models.LABELS, verbose=0)
    assert 0.5 < history.history["loss"][0] < 2.5
    with pytest.raises(ValueError, match="`activation` is that of the output"):
        ElectraTextClassifier.from_preset(
            path, num_classes=3, activation="gelu"
        )
