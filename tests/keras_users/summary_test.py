"""`summary()`, whatever was made before."""

import re

import numpy as np
import tiny
import user_models


def test_it_counts_the_weights_of_every_model():
    models = [tiny.pretrainer(), user_models.classifier(), tiny.pretrainer()]
    for model in models:
        lines = []
        model.summary(print_fn=lambda text, to=lines: to.append(text))
        found = re.search(r"Trainable params: ([\d,]+)", "".join(lines))
        count = sum(np.prod(w.shape) for w in model.trainable_weights)
        assert int(found[1].replace(",", "")) == count
