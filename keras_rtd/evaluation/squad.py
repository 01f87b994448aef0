"""SQuAD 1.1 and 2.0: the files, and the scores of the official scripts.

Source: Rajpurkar et al., 2016 and 2018, and their `evaluate-v1.1.py` and
`evaluate-v2.0.py`.
"""

import collections
import dataclasses
import re
import string
import warnings
from collections.abc import Mapping
from collections.abc import Sequence

from keras_rtd.evaluation.text_files import read_text
from keras_rtd.utils import json_file
from keras_rtd.utils.types import Path

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclasses.dataclass(frozen=True)
class Question:
    """A question about a paragraph.

    Attributes:
        id: str.
        question: str.
        context: str.
        answers: tuple of str; empty where the paragraph has no answer.
        starts: tuple of int, the answers' first characters in `context`.
        is_impossible: bool.
    """

    id: str
    question: str
    context: str
    answers: tuple[str, ...] = ()
    starts: tuple[int, ...] = ()
    is_impossible: bool = False


def read(path: Path, for_training: bool = False) -> list[Question]:
    """Reads a file of SQuAD 1.1 or 2.0.

    Args:
        path: str or path of the JSON, plain or `.gz`.
        for_training: bool. Make every offset point at its answer: a wrong one
            moves to the nearest place with the answer's text, and answers
            whose text is not in the paragraph go, with their question if it
            has no other. A warning says how many. Defaults to `False`: all as
            in the file.

    Returns:
        list of `Question`, in the file's order.

    Raises:
        ValueError: no SQuAD file, a question without what it needs, named by
            its id, or two questions of one id.
    """
    content = json_file.parse(read_text(path), path)
    if not isinstance(content, dict) or "data" not in content:
        raise ValueError(
            f"{path} is no SQuAD file: JSON with `data` at the top is expected."
        )
    questions = [
        _question(entry, context)
        for article in json_file.Node(content, path)["data"].items()
        for paragraph in article["paragraphs"].items()
        for context in [paragraph["context"].of(str)]
        for entry in paragraph["qas"].items()
    ]
    counts = collections.Counter(question.id for question in questions)
    if not questions or max(counts.values()) > 1:
        what = (
            f"the id {counts.most_common(1)[0][0]!r} stands twice"
            if questions
            else "it holds no questions"
        )
        raise ValueError(f"{path}: {what}.")
    return _repair(questions, path) if for_training else questions


def _question(entry, context):
    impossible = entry.get("is_impossible")
    impossible = impossible is not None and impossible.of(bool)
    answers = [] if impossible else entry["answers"].items()
    question = Question(
        id=entry["id"].of(str),
        question=entry["question"].of(str),
        context=context,
        answers=tuple(answer["text"].of(str) for answer in answers),
        starts=tuple(answer["answer_start"].of(int) for answer in answers),
        is_impossible=impossible,
    )
    if not impossible and not question.answers:
        raise ValueError(
            f"{entry.file}, question {question.id!r}: no answers, and "
            "`is_impossible` is not set."
        )
    return question


def _repair(questions, path):
    kept, moved, lost = [], 0, 0
    for question in questions:
        pairs = []
        for text, start in zip(question.answers, question.starts):
            place = _nearest(question.context, text, start)
            moved += place is not None and place != start
            if place is not None:
                pairs.append((text, place))
        if not pairs and not question.is_impossible:
            lost += 1
            continue
        kept.append(
            dataclasses.replace(
                question,
                answers=tuple(text for text, _ in pairs),
                starts=tuple(place for _, place in pairs),
            )
        )
    if moved or lost:
        warnings.warn(
            f"{path}: {moved} answers stood elsewhere in their paragraph than "
            f"the file says, and {lost} questions were left out because "
            "theirs is not in it.",
            stacklevel=3,
        )
    return kept


def _nearest(context, text, start):
    if not text:
        return None
    if context[start : start + len(text)] == text and start >= 0:
        return start
    places = []
    place = context.find(text)
    while place >= 0:
        places.append(place)
        place = context.find(text, place + 1)
    return min(places, key=lambda p: abs(p - start), default=None)


def normalize_answer(text: str) -> str:
    """`text` in lower case, no punctuation, no articles, single spaces."""
    text = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def score(
    questions: Sequence[Question],
    predictions: Mapping[str, str],
    no_answer_probability: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """The official scores.

    Where some question is impossible the rules are those of 2.0, else those of
    1.1; they differ in answers that hold nothing but articles and
    punctuation.

    Args:
        questions: list of `Question`.
        predictions: dict of question id to text; "" for no answer.
        no_answer_probability: dict of question id to float, or `None`. Higher
            means less answerable; any scale.

    Returns:
        dict of floats from 0 to 100: `exact_match` and `f1`; for 2.0 also
        `HasAns_exact`, `HasAns_f1`, `NoAns_exact` and `NoAns_f1` for the
        kinds of question that there are, and, with `no_answer_probability`,
        `best_exact`, `best_f1` and the thresholds `best_exact_thresh` and
        `best_f1_thresh` of the probability above which "" would be answered.

    Raises:
        ValueError: no questions, or one without a prediction.
    """
    if not questions:
        raise ValueError("`questions` is empty.")
    for name, given in (
        ("predictions", predictions),
        ("no_answer_probability", no_answer_probability),
    ):
        missing = [q.id for q in questions if q.id not in (given or {})]
        if given is not None and missing:
            raise ValueError(
                f"`{name}` lacks {len(missing)} of {len(questions)} "
                f"questions, such as {missing[0]!r}."
            )
    version_2 = any(question.is_impossible for question in questions)
    rules = _scores_2 if version_2 else _scores_1
    exact, f1 = {}, {}
    for question in questions:
        exact[question.id], f1[question.id] = rules(
            question.answers, predictions[question.id]
        )
    result = {"exact_match": _mean(exact), "f1": _mean(f1)}
    if not version_2:
        return result
    for name, impossible in (("HasAns", False), ("NoAns", True)):
        ids = [q.id for q in questions if q.is_impossible == impossible]
        if ids:
            result[f"{name}_exact"] = _mean({i: exact[i] for i in ids})
            result[f"{name}_f1"] = _mean({i: f1[i] for i in ids})
    if no_answer_probability is not None:
        for name, scores in (("exact", exact), ("f1", f1)):
            best, threshold = _best_threshold(
                questions, predictions, scores, no_answer_probability
            )
            result[f"best_{name}"] = best
            result[f"best_{name}_thresh"] = threshold
    return result


def _scores_1(answers, prediction):
    guess = normalize_answer(prediction)
    golds = [normalize_answer(answer) for answer in answers]
    return (
        float(guess in golds),
        max(_overlap(gold.split(), guess.split()) for gold in golds),
    )


def _scores_2(answers, prediction):
    guess = normalize_answer(prediction)
    golds = [gold for gold in map(normalize_answer, answers) if gold] or [""]
    f1 = max(
        _overlap(gold.split(), guess.split())
        if gold and guess
        else float(gold == guess)
        for gold in golds
    )
    return float(guess in golds), f1


def _overlap(gold, guess):
    common = collections.Counter(gold) & collections.Counter(guess)
    same = sum(common.values())
    return 2.0 * same / (len(gold) + len(guess)) if same else 0.0


def _best_threshold(questions, predictions, scores, probability):
    impossible = {q.id: q.is_impossible for q in questions}
    # Everything unanswered; then answered one by one, the surest first.
    current = best = float(sum(impossible.values()))
    threshold = 0.0
    known = (id for id in probability if id in scores)
    for id in sorted(known, key=lambda i: probability[i]):
        if not impossible[id]:
            current += scores[id]
        elif predictions[id]:
            current -= 1.0
        if current > best:
            best, threshold = current, float(probability[id])
    return 100.0 * best / len(scores), threshold


def _mean(scores):
    return 100.0 * sum(scores.values()) / len(scores)
