import json
import subprocess
import sys

import numpy as np
import pytest
import tiny

from keras_rtd import export
from keras_rtd.models import ElectraPreprocessor
from keras_rtd.models import ElectraQuestionAnswerer
from keras_rtd.models import ElectraQuestionAnswererPreprocessor
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.models import ElectraTokenClassifier
from keras_rtd.models import ElectraTokenClassifierPreprocessor

# Runs where keras_rtd cannot be imported: the SavedModel needs it not.
SERVE = """
import json, sys
import tensorflow as tf, tensorflow_text
sys.modules["keras_rtd"] = None
path, calls = json.loads(sys.argv[1])
model = tf.saved_model.load(path)
out = []
for name, arguments in calls:
    arguments = {k: tf.constant(v) for k, v in arguments.items()}
    found = model.signatures[name](**arguments)
    out.append({k: v.numpy().tolist() for k, v in found.items()})
print(json.dumps(out, default=bytes.decode))
"""

TEXTS = ["the time was now.", "she said all of them", "how", ""]


def serve(model, tmp_path, *calls):
    model.save_to_preset(str(tmp_path / "mine"))
    path = export.saved_model(str(tmp_path / "mine"), str(tmp_path / "saved"))
    result = subprocess.run(
        [sys.executable, "-c", SERVE, json.dumps([str(path), calls])],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def softmax(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


@pytest.mark.run_once
def test_text_classifier(tmp_path):
    model = ElectraTextClassifier(
        tiny.pretrainer().backbone,
        class_names=["no", "yes"],
        pooling="mean",
        preprocessor=ElectraPreprocessor(tiny.tokenizer(), sequence_length=12),
    )
    long = " ".join(tiny.WORDS[:9])
    first, second = [long, "the", "time", long], ["now", long, "was", long]
    one, two = serve(
        model,
        tmp_path,
        ("serve", {"texts": TEXTS}),
        ("serve_pairs", {"first": first, "second": second}),
    )
    expected = softmax(model.predict(TEXTS, verbose=0))
    np.testing.assert_allclose(one["probabilities"], expected, atol=1e-5)
    best = [model.class_names[i] for i in expected.argmax(1)]
    assert one["classes"] == best
    # Both cut and uncut pairs, as the preprocessor cuts them.
    expected = softmax(model.predict((first, second), verbose=0))
    np.testing.assert_allclose(two["probabilities"], expected, atol=1e-5)


@pytest.mark.slow
def test_regression(tmp_path):
    model = ElectraTextClassifier(
        tiny.pretrainer().backbone,
        num_classes=1,
        preprocessor=ElectraPreprocessor(tiny.tokenizer(), sequence_length=12),
    )
    (found,) = serve(model, tmp_path, ("serve", {"texts": TEXTS}))
    expected = model.predict(TEXTS, verbose=0)[:, 0]
    np.testing.assert_allclose(found["scores"], expected, atol=1e-5)


@pytest.mark.slow
def test_token_classifier(tmp_path):
    model = ElectraTokenClassifier(
        tiny.pretrainer().backbone,
        class_names=["O", "B-X", "I-X"],
        preprocessor=ElectraTokenClassifierPreprocessor(
            tiny.tokenizer(), sequence_length=10
        ),
    )
    texts = ["the times  was now", "she \u00ad said", ""]
    texts.append(" ".join(tiny.WORDS[:12]))
    (found,) = serve(model, tmp_path, ("serve", {"texts": texts}))
    words = [text.split() for text in texts]
    # A row of ten has room for eight tokens.
    expected = model.predict([w[:8] for w in words])
    for i, row in enumerate(expected):
        assert found["classes"][i][: len(row)] == row
        assert set(found["classes"][i][len(row) :]) <= {""}
        assert found["words"][i][: len(words[i])] == words[i]


@pytest.mark.slow
def test_question_answerer(tmp_path):
    model = ElectraQuestionAnswerer(
        tiny.pretrainer().backbone,
        no_answer=True,
        no_answer_threshold=1.0,
        preprocessor=ElectraQuestionAnswererPreprocessor(
            tiny.tokenizer(), sequence_length=24, stride=5
        ),
    )
    # Some are longer than a row: several windows, whose answers compete.
    words = np.random.default_rng(0).choice(tiny.WORDS, 90)
    long = [" ".join(words[a:b]) for a, b in ((0, 90), (7, 31), (20, 60))]
    data = {
        "question": ["who was first", "how", "when", "how", "who", "when"],
        "context": [
            "the people who made it, they were",
            "times now",
            "",
            *long,
        ],
    }
    (found,) = serve(model, tmp_path, ("serve", data))
    for i, answer in enumerate(model.predict(data)):
        joined = " ".join(w for w in answer["text"].replace(",", " ,").split())
        assert found["answers"][i] == joined
        if i >= 3:  # Every token of these contexts is a word.
            words = data["context"][i].split()
            first, last = found["starts"][i], found["ends"][i]
            assert " ".join(words[first : last + 1]) == joined
        np.testing.assert_allclose(
            found["scores"][i],
            answer["n_best"][0]["score"] if answer["n_best"] else 0.0,
            rtol=1e-4,
        )
        np.testing.assert_allclose(
            found["no_answer_probabilities"][i],
            answer["no_answer_probability"],
            rtol=1e-4,
        )
    assert found["ends"][2] == -1
