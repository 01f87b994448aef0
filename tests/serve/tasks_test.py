"""Fine-tuned tasks over HTTP answer as their `predict` does."""

import concurrent.futures
import json

import numpy as np
import pytest
import tiny

from keras_rtd import models
from keras_rtd.serve.loading import load_services
from keras_rtd.serve.requests import Limits
from keras_rtd.serve.requests import RequestError

TEXTS = ["the time was now.", "she", "", "all of them " * 5]
PAIRS = [["the time", "was now"], ["she " * 9, "said " * 3], ["", "it"]]
NAMES = ["O", "B-X", "I-X"]


@pytest.fixture(autouse=True)
def wide_heads(monkeypatch):
    """Heads as they start give nearly the same for everything."""
    import keras

    initializer = keras.initializers.RandomNormal(stddev=3.0, seed=1)
    for module in (models.text_classifier, models.token_classifier):
        monkeypatch.setattr(module, "GlorotUniform", lambda: initializer)


def save(path, cls, preprocessor_cls, sequence_length=16, **kwargs):
    task = cls(
        tiny.pretrainer().backbone,
        preprocessor=preprocessor_cls(
            tiny.tokenizer(), sequence_length=sequence_length
        ),
        **kwargs,
    )
    task.save_to_preset(str(path))
    return task


def classifier(path, **kwargs):
    return save(
        path, models.ElectraTextClassifier, models.ElectraPreprocessor, **kwargs
    )


def serve(start_server, *paths):
    return start_server(load_services(paths, max_batch=8), max_batch=8)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_classes(start_server, tmp_path):
    names = ["bad", "fair", "good"]
    task = classifier(tmp_path, class_names=names)
    client = serve(start_server, tmp_path)
    firsts, seconds = (list(x) for x in zip(*PAIRS))
    for body, data in ((TEXTS, TEXTS), (PAIRS, (firsts, seconds))):
        expected = softmax(task.predict(data, verbose=0))
        status, answer = client.post("classify", {"texts": body})
        assert status == 200
        for result, row in zip(answer["results"], expected, strict=True):
            assert list(result["probabilities"]) == names
            np.testing.assert_allclose(
                list(result["probabilities"].values()), row, atol=5e-6
            )
            assert result["label"] == names[row.argmax()]
    for bad in (["a"], ["a", "b", "c"], 1):
        status, answer = client.post("classify", {"texts": ["a", bad]})
        assert status == 422 and "texts[1]" in answer["error"]
    status, answer = client.post("classify", {"texts": [["a", None]]})
    assert status == 422 and "texts[0][1]" in answer["error"]
    endpoint = client.json("GET", "/v1/model")[1]["endpoints"]["classify"]
    assert endpoint["classes"] == names


@pytest.mark.run_once
def test_probabilities_and_numbers(start_server, tmp_path):
    task = classifier(tmp_path / "a", num_classes=2, activation="softmax")
    client = serve(start_server, tmp_path / "a")
    (result,) = client.post("classify", {"texts": TEXTS[:1]})[1]["results"]
    np.testing.assert_allclose(
        list(result["probabilities"].values()),
        task.predict(TEXTS[:1], verbose=0)[0],
        atol=5e-6,
    )
    assert result["label"] in ("0", "1")
    task = classifier(tmp_path / "b", num_classes=1)
    client = serve(start_server, tmp_path / "b")
    results = client.post("classify", {"texts": TEXTS})[1]["results"]
    np.testing.assert_allclose(
        [r["score"] for r in results],
        task.predict(TEXTS, verbose=0)[:, 0],
        atol=5e-6,
    )


def test_entities(start_server, tmp_path):
    task = save(
        tmp_path,
        models.ElectraTokenClassifier,
        models.ElectraTokenClassifierPreprocessor,
        class_names=NAMES,
    )
    client = serve(start_server, tmp_path)
    status, answer = client.post("tag", {"texts": TEXTS})
    assert status == 200
    expected = task.entities(TEXTS)
    assert sum(map(len, expected)) > 2
    for text, result, entities in zip(TEXTS, answer["results"], expected):
        assert len(result["entities"]) == len(entities)
        for found, entity in zip(result["entities"], entities):
            assert found == pytest.approx(entity, abs=5e-6)
            assert text[found["start"] : found["end"]] == found["text"]


def test_class_names_that_are_no_tags_are_refused(tmp_path):
    save(
        tmp_path,
        models.ElectraTokenClassifier,
        models.ElectraTokenClassifierPreprocessor,
        class_names=["noun", "verb"],
    )
    with pytest.raises(ValueError, match="O and B-LOC"):
        load_services([tmp_path], 8)


def test_answers(start_server, tmp_path):
    task = save(
        tmp_path,
        models.ElectraQuestionAnswerer,
        models.ElectraQuestionAnswererPreprocessor,
        sequence_length=24,
        no_answer=True,
        no_answer_threshold=2.0,
    )
    client = serve(start_server, tmp_path)
    contexts = ["The people: they were first.", " ".join(tiny.WORDS), ""]
    for context in contexts:
        body = {"question": "who was first", "context": context}
        status, answer = client.post("answer", body)
        assert status == 200
        (expected,) = task.predict(
            {name: [value] for name, value in body.items()}
        )
        n_best = answer["answer"].pop("n_best")
        expected_n_best = expected.pop("n_best")
        assert answer["answer"] == pytest.approx(expected, abs=1e-5)
        assert len(n_best) == len(expected_n_best)
        np.testing.assert_allclose(
            [a["score"] for a in n_best],
            [a["score"] for a in expected_n_best],
            atol=1e-5,
        )
    status, answer = client.post("answer", {"question": "a", "context": 1})
    assert status == 422 and "context must be a string" in answer["error"]
    # A question that leaves no room for the context.
    body = {"question": "time " * 30, "context": "time"}
    status, answer = client.post("answer", body)
    assert status == 422 and "no room" in answer["error"]


@pytest.mark.run_once
def test_rows_of_a_request_are_limited(tmp_path):
    classifier(tmp_path / "classify", num_classes=2)
    save(
        tmp_path / "tag",
        models.ElectraTokenClassifier,
        models.ElectraTokenClassifierPreprocessor,
        class_names=NAMES,
    )
    save(
        tmp_path / "answer",
        models.ElectraQuestionAnswerer,
        models.ElectraQuestionAnswererPreprocessor,
        sequence_length=24,
    )
    paths = [tmp_path / name for name in ("classify", "tag", "answer")]
    for service in load_services(paths, 8):
        for count in (1, 20):
            body = {"texts": ["the time"] * count}
            if service.endpoint == "answer":
                body = {"question": "who", "context": "the time " * count}
            body = json.dumps(body).encode()
            if count == 1:
                assert len(service.prepare(body, Limits(max_rows=1))[0]) == 1
                continue
            assert len(service.prepare(body, Limits())[0]) > 1
            with pytest.raises(RequestError, match="--max_rows") as e:
                service.prepare(body, Limits(max_rows=1))
            assert e.value.status == 413


def test_many_at_once(start_server, tmp_path):
    task = classifier(tmp_path, num_classes=2)
    client = serve(start_server, tmp_path)
    body = {"texts": [TEXTS[0], PAIRS[0]]}
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(
            pool.map(lambda _: client.post("classify", body), range(80))
        )
    expected = softmax(task.predict(TEXTS[:1], verbose=0))[0]
    for status, answer in answers:
        assert status == 200
        first, second = (
            list(result["probabilities"].values())
            for result in answer["results"]
        )
        np.testing.assert_allclose(first, expected, atol=5e-6)
        other = answers[0][1]["results"][1]["probabilities"]
        np.testing.assert_allclose(second, list(other.values()), atol=5e-6)


def test_several_presets_at_once(start_server, tmp_path):
    classifier(tmp_path / "a", num_classes=2)
    folder = tmp_path / "b"
    tiny.pretrainer(with_tokenizer=True).save_to_preset(str(folder))
    client = serve(start_server, tmp_path / "a", folder)
    endpoints = client.json("GET", "/v1/model")[1]["endpoints"]
    assert list(endpoints) == ["detect", "classify"]
    for name in endpoints:
        assert client.post(name, {"texts": TEXTS})[0] == 200
    assert client.post("tag", {"texts": TEXTS})[0] == 404
