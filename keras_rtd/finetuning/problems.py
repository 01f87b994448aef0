"""What differs between the kinds of tasks: data, model, scores."""

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np

from keras_rtd.evaluation import glue
from keras_rtd.evaluation import squad
from keras_rtd.evaluation import tagging
from keras_rtd.finetuning.batches import predict
from keras_rtd.models import ElectraQuestionAnswerer
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.models import ElectraTokenClassifier
from keras_rtd.models import answers


class Problem:
    """A task with its data.

    Attributes:
        name: string.
        main_metric: string, the one that runs are compared by.
        train, held_out: what was read of the task's files.
    """

    name: str
    main_metric: str
    train: Any
    held_out: Any

    def data_identity(self) -> str:
        """32 hexadecimal digits of the data: other data has others."""
        text = json.dumps([self.train, self.held_out], default=_plain)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def arguments(self) -> dict[str, Any]:
        """Arguments of the model's class, beside the preset."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """What a continuation must not change, beside the run's settings."""
        return {}

    model_class: Any

    def training(self, model):
        """`(x, y, weights)` of the training data, arrays."""
        raise NotImplementedError

    def score(self, model):
        """dict of metrics on the held-out data, 0 to 100."""
        raise NotImplementedError


def _plain(value):
    return value.tolist() if isinstance(value, np.ndarray) else vars(value)


class Glue(Problem):
    """A task of GLUE.

    Args:
        task: string, a name of `keras_rtd.evaluation.glue.TASKS`.
        directory: string, folder of its files.
        limit: int or `None`, training examples used.
        pooling: as `ElectraTextClassifier` takes it.
    """

    model_class = ElectraTextClassifier

    def __init__(self, task, directory, limit=None, pooling="cls"):
        self.pooling = pooling
        self.task = glue.get_task(task)
        self.name, self.main_metric = self.task.name, self.task.main_metric
        self.train = _head(glue.read(task, directory, "train"), limit)
        self.held_out = {
            split: glue.read(task, directory, split)
            for split in self.task.files
            if split.startswith("dev")
        }

    def arguments(self):
        names = self.task.classes or None
        return {
            "num_classes": self.task.num_labels,
            "class_names": names,
            "pooling": self.pooling,
        }

    def settings(self):
        return {"pooling": self.pooling}

    def training(self, model):
        data = self.train
        first, second, labels = data.first, data.second, data.labels
        if self.task.both_orders:
            first, second = first + second, second + first
            labels = np.concatenate([labels, labels])
        if self.task.is_regression:
            labels = labels / self.task.high
        return model.prepare(_texts(first, second), labels)

    def score(self, model):
        scores: dict[str, float] = {}
        for split, data in self.held_out.items():
            x, _, _ = model.prepare(_texts(data.first, data.second))
            output = predict(model, x)
            guesses = output.argmax(-1)
            if self.task.is_regression:
                guesses = output[:, 0] * self.task.high
            assert data.labels is not None  # No test file.
            found = glue.score(self.task, data.labels, guesses)
            suffix = split.removeprefix("dev")
            scores |= {name + suffix: value for name, value in found.items()}
        return scores


class Tagging(Problem):
    """Tags of words, as BIOES.

    Args:
        train: string, file of the training sentences.
        held_out: string, file of the sentences that are scored.
        limit: int or `None`, training sentences used.
    """

    model_class = ElectraTokenClassifier
    main_metric = "f1"

    def __init__(self, name, train, held_out, limit=None):
        self.name = name
        self.train, self.held_out = tagging.read(train), tagging.read(held_out)
        self.words = self.train.words[:limit]
        self.tags = [tagging.to_bioes(t) for t in self.train.tags[:limit]]
        self.gold = [tagging.to_bio(tags) for tags in self.held_out.tags]

    def arguments(self):
        kinds = {tag[2:] for tags in self.tags for tag in tags if tag != "O"}
        names = ["O", *(f"{p}-{k}" for k in sorted(kinds) for p in "BIES")]
        return {"class_names": names}

    def training(self, model):
        return model.prepare(self.words, self.tags)

    def score(self, model):
        rows = model.preprocessor.rows(self.held_out.words)
        best = predict(model, model.preprocessor.pack(rows)).argmax(-1)
        found: list[list[str]] = [[] for _ in self.gold]
        for row, classes in zip(rows, best):
            found[row.sentence] += [
                model.class_names[i] for i in classes[row.word_starts]
            ]
        return tagging.score(self.gold, [tagging.to_bio(t) for t in found])


class Squad(Problem):
    """Questions of SQuAD 1.1, or of 2.0 where some have no answer.

    Args:
        train: string, SQuAD's JSON of the training questions.
        held_out: string, the same of the questions that are scored.
        limit: int or `None`, training questions used.
        held_out_limit: int or `None`, questions scored.
    """

    model_class = ElectraQuestionAnswerer
    main_metric = "f1"

    def __init__(self, train, held_out, limit=None, held_out_limit=None):
        self.train = squad.read(train, for_training=True)[:limit]
        self.held_out = squad.read(held_out)[:held_out_limit]
        self.held_out_limit = held_out_limit
        self.has_no_answers = any(q.is_impossible for q in self.train)
        self.name = "squad2" if self.has_no_answers else "squad1"

    def arguments(self):
        return {"no_answer": self.has_no_answers}

    def settings(self):
        return {"held_out_limit": self.held_out_limit}

    def training(self, model):
        gold = [
            None
            if q.is_impossible
            else {"text": q.answers[0], "answer_start": q.starts[0]}
            for q in self.train
        ]
        return model.prepare(_questions(self.train), gold)

    def score(self, model):
        data = _questions(self.held_out)
        windows = model.preprocessor.windows(data["question"], data["context"])
        outputs = predict(model, model.preprocessor.pack(windows))
        # Above any probability: the scorer looks for the best threshold.
        found = answers.best_answers(
            windows,
            outputs,
            data["context"],
            max_answer_length=model.max_answer_length,
            num_best=model.num_best,
            threshold=2.0 if self.has_no_answers else None,
        )
        ids = [q.id for q in self.held_out]
        texts = {i: answer["text"] for i, answer in zip(ids, found)}
        nothing = None
        if self.has_no_answers:
            nothing = {
                i: answer["no_answer_probability"]
                for i, answer in zip(ids, found)
            }
        return squad.score(self.held_out, texts, nothing)


def _texts(first, second):
    return first if second is None else (first, second)


def _questions(questions):
    return {
        "question": [q.question for q in questions],
        "context": [q.context for q in questions],
    }


def _head(examples, limit):
    if limit is None:
        return examples
    return dataclasses.replace(
        examples,
        first=examples.first[:limit],
        second=examples.second and examples.second[:limit],
        labels=examples.labels[:limit],
    )
