import keras
import numpy as np
import pytest
import tiny

from keras_rtd.models import ElectraTokenClassifier
from keras_rtd.models import ElectraTokenClassifierPreprocessor

NAMES = ["O", "B-X", "I-X"]
WORDS = [["the", "time", "was", "now"], ["she", "times"], []]
TAGS = [["O", "B-X", "I-X", "O"], ["B-X", "O"], []]


def task(sequence_length=16, **kwargs):
    kwargs.setdefault("class_names", NAMES)
    return ElectraTokenClassifier(
        tiny.pretrainer().backbone,
        preprocessor=ElectraTokenClassifierPreprocessor(
            tiny.tokenizer(), sequence_length=sequence_length
        ),
        **kwargs,
    )


def test_labels_stand_at_first_tokens():
    preprocessor = task().preprocessor
    tokenizer = preprocessor.tokenizer
    features, labels, weights = preprocessor(
        [["time", "times", "\u00ad", "now"]], [[1, 2, 3, 4]]
    )
    # "times" is time ##s; a soft hyphen is nothing, and still a word.
    ids = [tokenizer.token_to_id(t) for t in ("time", "time", "##s")]
    ids = [2, *ids, tokenizer.unk_token_id, tokenizer.token_to_id("now"), 3]
    assert features["token_ids"][0, :7].tolist() == ids
    assert features["padding_mask"].sum() == 7
    assert labels[0, :7].tolist() == [0, 1, 2, 0, 3, 4, 0]
    assert weights[0, :7].tolist() == [0, 1, 1, 0, 1, 1, 0]


def test_long_sentences_go_on_in_the_next_row():
    model = task(sequence_length=8)
    words = [w for w in tiny.WORDS[:20]]
    features, labels, weights = model.preprocessor([words], [list(range(20))])
    assert features["token_ids"].shape == (4, 8) and weights.sum() == 20
    assert labels[weights > 0].tolist() == list(range(20))
    # A word's class is what its row alone gives.
    alone = [words[i : i + 6] for i in range(0, 20, 6)]
    assert model.predict([words])[0] == sum(model.predict(alone), [])


def test_predict_gives_names_of_the_largest_logit():
    model = task()
    logits = model.predict(model.preprocessor(WORDS[:2]), verbose=0)
    # "times" is two tokens; [CLS] comes first.
    first = [logits[0, [1, 2, 3, 4]], logits[1, [1, 2]]]
    expected = [[NAMES[i] for i in row.argmax(-1)] for row in first]
    assert model.predict(WORDS) == [*expected, []]
    assert model.predict([]) == []


def test_the_loss_is_the_mean_over_words():
    model = task(dropout=0.0)
    loss, accuracy = model.evaluate(WORDS, TAGS, verbose=0)
    logits = model.predict(model.preprocessor(WORDS), verbose=0)
    rows = np.concatenate([logits[0, [1, 2, 3, 4]], logits[1, [1, 2]]])
    rows = rows - rows.max(1, keepdims=True)
    log_p = rows - np.log(np.exp(rows).sum(1, keepdims=True))
    labels = [0, 1, 2, 0, 1, 0]
    np.testing.assert_allclose(
        loss, -log_p[np.arange(6), labels].mean(), rtol=1e-5
    )
    np.testing.assert_allclose(
        accuracy, (rows.argmax(1) == labels).mean(), rtol=1e-5
    )


def test_learns_and_finds_entities(tmp_path):
    model = task(dropout=0.0)
    # A "time" begins what "now" goes on.
    words = [["the", "time", "now", "was"], ["he", "was", "time", "now"]] * 8
    tags = [["O", "B-X", "I-X", "O"], ["O", "O", "B-X", "I-X"]] * 8
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(words, tags, batch_size=4, epochs=15, verbose=0)
    assert model.predict(words) == tags
    text = "He  was time now"
    (found,) = model.entities(["", text])[1]
    assert found["text"] == "time now" == text[found["start"] : found["end"]]
    assert found["label"] == "X" and 0.5 < found["score"] <= 1
    assert model.predict(["He was: time"])[0][1:3] == [
        ("was", "O"),
        (":", model.predict([["He", "was", ":", "time"]])[0][2]),
    ]

    model.save_to_preset(str(tmp_path / "saved"))
    again = ElectraTokenClassifier.from_preset(str(tmp_path / "saved"))
    assert again.class_names == NAMES and again.predict(words) == tags
    np.testing.assert_allclose(
        again.predict(again.preprocessor(WORDS), verbose=0),
        model.predict(model.preprocessor(WORDS), verbose=0),
        atol=1e-6,
    )


def test_from_a_pretrainers_preset(tmp_path):
    tiny.pretrainer(with_tokenizer=True).save_to_preset(str(tmp_path / "mine"))
    model = ElectraTokenClassifier.from_preset(
        str(tmp_path / "mine"), class_names=NAMES
    )
    assert model.preprocessor.sequence_length == 16
    assert [len(tags) for tags in model.predict(WORDS)] == [4, 2, 0]


def test_bad_data_is_said():
    model = task()
    with pytest.raises(ValueError, match="'B-Y' is none of the classes"):
        model.fit(WORDS, [["O", "B-Y", "O", "O"], ["O", "O"], []])
    with pytest.raises(ValueError, match="Sentence 1 has 2 words and 1"):
        model.fit(WORDS, [["O"] * 4, ["O"], []])
    with pytest.raises(ValueError, match="label 3 is no class"):
        model.fit(WORDS, [[0, 1, 2, 3], [0, 0], []])
    with pytest.raises(ValueError, match="lists of words"):
        model.fit(["the time"], [["O"]])
    with pytest.raises(ValueError, match="such as O and B-LOC"):
        task(class_names=["NOUN", "VERB"]).entities(["the"])
