import gzip
import json

import pytest

from keras_rtd.evaluation import squad
from keras_rtd.evaluation.squad import Question

CONTEXT = "The cat sat. The dog, a puppy, sat too."


def write(path, entries, **extra):
    data = {"data": [{"paragraphs": [{"context": CONTEXT, "qas": entries}]}]}
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt") as file:
        json.dump({**data, **extra}, file)
    return path


def entry(id="a", answers=(("The cat", 0),), **extra):
    answers = [{"text": text, "answer_start": at} for text, at in answers]
    return {"id": id, "question": "Who?", "answers": answers, **extra}


def ask(id, *answers):
    return Question(id, "Who?", "", answers, (0,) * len(answers), not answers)


def test_both_versions(tmp_path):
    entries = [
        entry("a", (("The cat", 0), ("cat", 4))),
        entry("b", (), is_impossible=True, plausible_answers=[]),
    ]
    for name in ("a.json", "a.json.gz"):
        assert squad.read(write(tmp_path / name, entries)) == [
            Question("a", "Who?", CONTEXT, ("The cat", "cat"), (0, 4)),
            Question("b", "Who?", CONTEXT, is_impossible=True),
        ]


def test_offsets_of_training_questions(tmp_path):
    entries = [
        entry("right", (("sat", 8),)),
        # Stands at 8 and at 31: the nearest counts.
        entry("moved", (("sat", 27),)),
        entry("half", (("sat", 8), ("horse", 3))),
        entry("lost", (("horse", 3),)),
        entry("negative", (("too", -3),)),
        entry("none", (), is_impossible=True),
    ]
    path = write(tmp_path / "a.json", entries)
    assert [q.starts for q in squad.read(path)] == [
        (8,), (27,), (8, 3), (3,), (-3,), ()
    ]  # fmt: skip
    with pytest.warns(UserWarning, match="2 answers .* 1 questions"):
        questions = squad.read(path, for_training=True)
    assert [(q.id, q.answers, q.starts) for q in questions] == [
        ("right", ("sat",), (8,)),
        ("moved", ("sat",), (31,)),
        ("half", ("sat",), (8,)),
        ("negative", ("too",), (35,)),
        ("none", (), ()),
    ]


@pytest.mark.parametrize(
    "entries, message",
    [
        ([entry("a"), entry("b"), entry("a")], "'a' stands twice"),
        ([], "no questions"),
        ([{"id": "a", "answers": []}], r"qas\[0\] has no 'question'"),
        ([entry("a", ())], "'a': no answers"),
        (
            [{"id": "a", "question": "", "answers": [{}]}],
            r"answers\[0\] has no 'text'",
        ),
    ],
)
def test_bad_files(entries, message, tmp_path):
    path = write(tmp_path / "a.json", entries)
    with pytest.raises(ValueError, match=message):
        squad.read(path)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_other_json(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match="a.json is no(t JSON| SQuAD file)"):
        squad.read(tmp_path / "a.json")


@pytest.mark.parametrize(
    "text, normal",
    [
        ("The Cat", "cat"),
        ("  an   old,  cat. ", "old cat"),
        ("the-rapist", "therapist"),
        ("theatre a", "theatre"),
        ("U.S.", "us"),
        ("a.", ""),
        # Only ASCII punctuation goes.
        ("“a cat”", "“ cat”"),
    ],
)
def test_normal_answers(text, normal):
    assert squad.normalize_answer(text) == normal


@pytest.mark.parametrize(
    "answers, prediction, exact, f1",
    [
        (("the cat",), "Cat!", 1, 1),
        (("the black cat",), "black dog", 0, 0.5),
        (("cat cat dog",), "cat", 0, 0.5),
        # The best of several answers, each metric on its own.
        (("one two three", "three"), "three four", 0, 2 / 3),
        (("cat",), "", 0, 0),
        (("cat",), "dog", 0, 0),
    ],
)
def test_one_answer(answers, prediction, exact, f1):
    result = squad.score([ask("a", *answers)], {"a": prediction})
    assert result == {
        "exact_match": 100.0 * exact,
        "f1": pytest.approx(100.0 * f1),
    }
    # With 2.0's rules, which an impossible question switches on, the same.
    both = squad.score(
        [ask("a", *answers), ask("b")], {"a": prediction, "b": ""}
    )
    assert both["HasAns_exact"] == 100.0 * exact
    assert both["HasAns_f1"] == pytest.approx(100.0 * f1)


def test_where_the_versions_differ():
    # An answer of an article alone: F1 0 in 1.1, and "no answer" in 2.0.
    assert squad.score([ask("a", "The")], {"a": "a"}) == {
        "exact_match": 100.0,
        "f1": 0.0,
    }
    result = squad.score([ask("a", "The"), ask("b")], {"a": "a", "b": ""})
    assert result["HasAns_exact"] == result["HasAns_f1"] == 100.0
    # Such an answer beside a real one does not count in 2.0.
    questions = [ask("a", "The", "cat"), ask("b")]
    assert squad.score(questions, {"a": "a", "b": ""})["HasAns_f1"] == 0.0


def test_version_2_by_hand():
    questions = [ask("a", "cat"), ask("b", "black dog"), ask("c"), ask("d")]
    predictions = {"a": "cat", "b": "dog", "c": "", "d": "horse"}
    probability = {"a": 0.1, "b": 0.6, "c": 0.9, "d": 0.5}
    assert squad.score(questions, predictions, probability) == {
        "exact_match": 50.0,
        "f1": pytest.approx(100 * (1 + 2 / 3 + 1 + 0) / 4),
        "HasAns_exact": 50.0,
        "HasAns_f1": pytest.approx(100 * (1 + 2 / 3) / 2),
        "NoAns_exact": 50.0,
        "NoAns_f1": 50.0,
        # Answering `a` alone: 1 + the two without answers. `d` then costs
        # 1, and `b` brings 0 or 2/3.
        "best_exact": 75.0,
        "best_exact_thresh": 0.1,
        "best_f1": 75.0,
        "best_f1_thresh": 0.1,
    }
    probability = {"a": 0.1, "b": 0.4, "c": 0.9, "d": 0.5}
    result = squad.score(questions, predictions, probability)
    assert result["best_f1"] == pytest.approx(100 * (3 + 2 / 3) / 4)
    assert result["best_f1_thresh"] == 0.4
    assert result["best_exact_thresh"] == 0.1


def test_only_impossible_questions():
    result = squad.score([ask("a"), ask("b")], {"a": "", "b": "the"})
    # "the" is nothing once normalised.
    assert result == {
        "exact_match": 100.0,
        "f1": 100.0,
        "NoAns_exact": 100.0,
        "NoAns_f1": 100.0,
    }


@pytest.mark.parametrize(
    "questions, predictions, probability, message",
    [
        ([], {}, None, "`questions` is empty"),
        ([ask("a", "x")], {}, None, "`predictions` lacks 1 of 1.*'a'"),
        ([ask("a", "x")], {"a": ""}, {}, "`no_answer_probability` lacks 1"),
    ],
)
def test_bad_predictions(questions, predictions, probability, message):
    with pytest.raises(ValueError, match=message):
        squad.score(questions, predictions, probability)


def test_real_files(shared_data):
    path = shared_data / "qa" / "dev-v1.1.rebuilt.json.gz"
    questions = squad.read(path)
    assert len(questions) == 10570
    assert squad.read(path, for_training=True) == questions
    first = {question.id: question.answers[0] for question in questions}
    assert squad.score(questions, first) == {"exact_match": 100.0, "f1": 100.0}
