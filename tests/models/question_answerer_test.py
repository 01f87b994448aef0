import keras
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.layers.span_head import SpanHead
from keras_rtd.models import ElectraQuestionAnswerer
from keras_rtd.models import ElectraQuestionAnswererPreprocessor
from keras_rtd.models import answers
from keras_rtd.models.question_answerer_preprocessor import Window

DATA = {
    "question": ["who was first", "how", "when"],
    "context": [
        "The people, who made it: they were first.",
        " ".join(tiny.WORDS[:40]),
        "now",
    ],
}
ANSWERS = [
    {"text": "they", "answer_start": 25},
    {"text": ["on as"], "answer_start": [60]},
    None,
]
ANSWERS[1]["answer_start"] = [DATA["context"][1].index("on as")]


def preprocessor(**kwargs):
    kwargs = {"sequence_length": 24, "stride": 8, **kwargs}
    return ElectraQuestionAnswererPreprocessor(tiny.tokenizer(), **kwargs)


def task(**kwargs):
    return ElectraQuestionAnswerer(
        tiny.pretrainer().backbone, preprocessor=preprocessor(), **kwargs
    )


def test_windows_overlap_and_labels_point_at_the_answer():
    pre = preprocessor()
    features, labels = pre(DATA, ANSWERS)
    windows = pre.windows(DATA["question"], DATA["context"])
    assert features["token_ids"].shape == (len(windows), 24)
    starts = features["start_positions"]
    np.testing.assert_array_equal(starts, labels["start_positions"])
    shown = 0
    for row, window in enumerate(windows):
        context = DATA["context"][window.example]
        first, last = starts[row], labels["end_positions"][row]
        if not first:
            continue
        shown += 1
        part = slice(first - window.passage_start, None)
        text = context[
            window.starts[part][0] : window.ends[last - window.passage_start]
        ]
        answer = ANSWERS[window.example]["text"]
        assert text == (answer if isinstance(answer, str) else answer[0])
    # The second answer is shown by more than one window.
    assert shown >= 3
    expected = [w.example == 2 for w in windows]
    np.testing.assert_array_equal(labels["no_answer"], expected)


def test_every_token_has_one_window_with_the_best_context():
    pre = preprocessor()
    windows = pre.windows(["how"], [" ".join(tiny.WORDS[:50])])
    assert len(windows) > 3
    seen = np.concatenate([w.starts[w.best_context] for w in windows])
    assert len(seen) == len(set(seen)) == 50
    # A token in the middle of the text is in the middle of its window.
    for window in windows[1:-1]:
        where = np.flatnonzero(window.best_context)
        assert where.min() >= 4 and where.max() < len(window.starts) - 4


def test_the_head_is_the_references_formula():
    head = SpanHead(units=7, beam_size=3, no_answer=True)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 6, 4)).astype("f4")
    mask = np.ones((2, 6), bool)
    mask[1, 4:] = False
    head.build(x.shape)
    weights = {
        name: [rng.normal(size=w.shape) for w in getattr(head, name).weights]
        for name in ("start", "end_token", "end_start", "end", "answer_hidden")
        + ("answer",)
    }
    for name, values in weights.items():
        getattr(head, name).set_weights(values)

    def dense(name, value):
        kernel, *bias = weights[name]
        return value @ kernel + sum(bias)

    def gelu(value):
        from scipy.special import erf

        return value * 0.5 * (1 + erf(value / np.sqrt(2)))

    def log_softmax(value):
        value = value - value.max(-1, keepdims=True)
        return value - np.log(np.exp(value).sum(-1, keepdims=True))

    start = np.where(mask, dense("start", x)[..., 0], -1e9)
    p = np.exp(log_softmax(start))
    mean = (p[..., None] * x).sum(1)
    both = np.concatenate([x[:, 0], mean], -1)
    no_answer = dense("answer", gelu(dense("answer_hidden", both)))[:, 0]
    # Beside one another, through one kernel, as the reference has it.
    kernel = np.concatenate([weights["end_start"][0], weights["end_token"][0]])
    end = np.full((2, 6, 6), -1e9)
    for row, first, last in np.ndindex(2, 6, 6):
        pair = np.concatenate([x[row, first], x[row, last]])
        hidden = gelu(pair @ kernel + weights["end_token"][1])
        if mask[row, last]:
            end[row, first, last] = dense("end", hidden)[0]
    gold = np.array([2, 1], "int32")
    out = {k: ops.convert_to_numpy(v) for k, v in head(x, mask, gold).items()}
    np.testing.assert_allclose(out["start_logits"][0], start[0], atol=1e-4)
    np.testing.assert_allclose(out["no_answer_logits"], no_answer, atol=1e-4)
    for row in (0, 1):
        np.testing.assert_allclose(
            out["end_logits"][row][mask[row]],
            end[row, gold[row]][mask[row]],
            atol=1e-4,
        )
    beam = {k: ops.convert_to_numpy(v) for k, v in head(x, mask).items()}
    order = np.argsort(-start, 1)[:, :3]
    np.testing.assert_array_equal(beam["starts"], order)
    for row, i in np.ndindex(2, 3):
        scores = log_softmax(end[row, order[row, i]])
        best = np.argsort(-scores)[:3]
        np.testing.assert_array_equal(beam["ends"][row, i], best)
        np.testing.assert_allclose(
            beam["end_scores"][row, i], scores[best], atol=1e-4
        )


def test_the_best_span_that_may_be_an_answer_wins():
    context = "abcdefgh"
    window = Window(
        0,
        [],
        2,
        np.arange(8),
        np.arange(1, 9),
        np.array([True] * 6 + [False] * 2),
    )
    # Positions: [CLS], a token beyond the best context, a right one.
    outputs = {
        "starts": np.array([[0, 2 + 6, 2 + 1]]),
        "start_scores": np.log([[0.6, 0.3, 0.1]]),
        # Before the start; too long; two tokens.
        "ends": np.tile(np.array([2, 2 + 7, 2 + 2]), (1, 3, 1)),
        "end_scores": np.log(np.tile([0.5, 0.4, 0.1], (1, 3, 1))),
    }
    (best,) = answers.best_answers([window], outputs, [context], 3, 20)
    assert (best["text"], best["start"], best["end"]) == ("bc", 1, 3)
    np.testing.assert_allclose(best["score"], 0.01, rtol=1e-6)
    assert best["no_answer_probability"] is None and len(best["n_best"]) == 1
    outputs["no_answer_logits"] = np.array([1.0])
    (none,) = answers.best_answers([window], outputs, [context], 3, 20, 0.5)
    assert none["text"] == "" and none["n_best"][0]["text"] == "bc"
    np.testing.assert_allclose(
        none["no_answer_probability"], 0.731059, rtol=1e-5
    )


def test_the_loss_is_that_of_the_gold_start():
    model = task(no_answer=True)
    features, labels = model.preprocessor(DATA, ANSWERS)
    out = model.predict(features, verbose=0)

    def nll(logits, gold):
        logits = logits - logits.max(1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return -log_p[np.arange(len(gold)), gold].mean()

    z, y = out["no_answer_logits"], labels["no_answer"]
    bce = (np.logaddexp(0, z) - z * y).mean()
    expected = 0.5 * bce + 0.5 * (
        nll(out["start_logits"], labels["start_positions"])
        + nll(out["end_logits"], labels["end_positions"])
    )
    loss = model.evaluate(DATA, ANSWERS, batch_size=64, verbose=0)
    np.testing.assert_allclose(np.ravel(loss)[0], expected, rtol=1e-4)


def test_learns_answers_and_comes_back(tmp_path):
    model = task(no_answer=True)
    questions, contexts, gold = [], [], []
    rng = np.random.default_rng(0)
    for _ in range(48):
        words = list(rng.choice(tiny.WORDS[10:40], 8, replace=False))
        words[rng.integers(8)] = "people"
        text = " ".join(words)
        absent = rng.random() < 0.3
        if absent:
            text = text.replace("people", "your")
        questions.append("who")
        contexts.append(text)
        gold.append(
            None
            if absent
            else {"text": "people", "answer_start": text.index("people")}
        )
    data = {"question": questions, "context": contexts}
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(data, gold, batch_size=16, epochs=25, verbose=0)
    found = model.predict(data)
    right = [a["text"] == (g["text"] if g else "") for a, g in zip(found, gold)]
    assert np.mean(right) > 0.9
    for answer, context in zip(found, contexts):
        assert context[answer["start"] : answer["end"]] == answer["text"]
    model.save_to_preset(str(tmp_path / "saved"))
    again = ElectraQuestionAnswerer.from_preset(str(tmp_path / "saved"))
    assert again.no_answer and again.preprocessor.stride == 8
    for a, b in zip(again.predict(data), found):
        assert a["text"] == b["text"]
        np.testing.assert_allclose(a["score"], b["score"], atol=1e-5)


def test_from_a_pretrainers_preset_with_its_length(tmp_path):
    tiny.pretrainer(with_tokenizer=True).save_to_preset(str(tmp_path / "mine"))
    model = ElectraQuestionAnswerer.from_preset(str(tmp_path / "mine"))
    assert model.preprocessor.sequence_length == 16
    (answer,) = model.predict({"question": ["how"], "context": ["the time"]})
    assert answer["text"] in "the time" and answer["text"]
    assert model.predict({"question": [], "context": []}) == []
    (empty,) = model.predict({"question": ["how"], "context": [""]})
    assert empty["text"] == "" and empty["n_best"] == []


def test_bad_data_is_said():
    model = task()
    with pytest.raises(ValueError, match="Answer 0 is not where"):
        model.fit(
            {"question": ["a"], "context": ["the time"]},
            [{"text": "time", "answer_start": 0}],
        )
    with pytest.raises(ValueError, match="3 questions and 1 answers"):
        model.fit(DATA, ANSWERS[:1])
    with pytest.raises(ValueError, match="lists of string"):
        model.predict({"question": "who", "context": "the time"})
    with pytest.raises(ValueError, match="dict of `question`"):
        model.fit(["who"], [None])
    small = preprocessor(sequence_length=10, question_length=8)
    with pytest.raises(ValueError, match="no room for a context"):
        small({"question": ["the a of to and in is it"], "context": ["the"]})
