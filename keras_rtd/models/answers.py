"""The best answers of all windows of a question."""

from typing import Any

import numpy as np

NO_TEXT = {"text": "", "start": 0, "end": 0}


def best_answers(
    windows, outputs, contexts, max_answer_length, num_best, threshold=None
):
    """Answers out of what `SpanHead` says of each window.

    A span's score is the probability of its start times that of its end given
    the start, in its window. Spans that are too long, that leave the passage,
    or whose start another window shows with more around it do not count
    (google-research/electra, finetune/qa/qa_tasks.py).

    Args:
        windows: list of `Window`.
        outputs: dict of arrays as `SpanHead` returns them, one row a window.
        contexts: list of string.
        max_answer_length: int. In tokens.
        num_best: int.
        threshold: float or `None`. From this probability of no answer on, in
            the window least sure of it, the answer is "".

    Returns:
        list of dicts; see `ElectraQuestionAnswerer`.
    """
    candidates: list[dict[str, Any]] = [{} for _ in contexts]
    nothing = np.full(len(contexts), np.inf)
    for row, window in enumerate(windows):
        found = candidates[window.example]
        for start, end, score in _spans(
            window, outputs, row, max_answer_length
        ):
            span = int(window.starts[start]), int(window.ends[end])
            found[span] = max(score, found.get(span, -np.inf))
        if threshold is not None:
            logit = float(outputs["no_answer_logits"][row])
            nothing[window.example] = min(nothing[window.example], logit)
    return [
        _answer(context, found, num_best, logit, threshold)
        for context, found, logit in zip(contexts, candidates, nothing)
    ]


def _spans(window, outputs, row, max_answer_length):
    """(first, last, log-probability) by tokens of the window's part."""
    starts = outputs["starts"][row] - window.passage_start
    ends = outputs["ends"][row] - window.passage_start
    count = len(window.starts)
    firsts = np.broadcast_to(starts[:, None], ends.shape)
    length = ends - firsts + 1
    fits = (firsts >= 0) & (ends >= firsts) & (ends < count)
    fits &= length <= max_answer_length
    scores = outputs["start_scores"][row][:, None] + outputs["end_scores"][row]
    for i, j in zip(*np.nonzero(fits)):
        first = int(firsts[i, j])
        if window.best_context[first]:
            yield first, int(ends[i, j]), float(scores[i, j])


def _answer(context, found, num_best, logit, threshold):
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    n_best = [
        {
            "text": context[start:end].strip(),
            "start": start,
            "end": end,
            "score": float(np.exp(score)),
        }
        for (start, end), score in ranked[:num_best]
    ]
    probability = None
    if threshold is not None:
        probability = float(1.0 / (1.0 + np.exp(-np.float64(logit))))
    if not n_best or (threshold is not None and probability >= threshold):
        best = {**NO_TEXT, "score": probability or 0.0}
    else:
        best = n_best[0]
    return {**best, "no_answer_probability": probability, "n_best": n_best}
