"""Unanswerable questions and a task that always answers."""

import pytest
import tiny
import user_models

from keras_rtd.models import ElectraQuestionAnswerer
from keras_rtd.models import ElectraQuestionAnswererPreprocessor

DATA = {"question": ["who"], "context": ["the people made it"]}


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch"])
def test_they_are_refused(method):
    preprocessor = ElectraQuestionAnswererPreprocessor(tiny.tokenizer(), 32)
    task = ElectraQuestionAnswerer(
        user_models.backbone(), preprocessor=preprocessor
    )
    for no_answer in (None, {"text": [], "answer_start": []}):
        with pytest.raises(ValueError, match="pass no_answer=True"):
            getattr(task, method)(DATA, [no_answer])
