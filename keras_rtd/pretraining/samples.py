"""Held-out windows as the discriminator sees them."""

import numpy as np

COUNT = 6


def make_samples(model, batch, step, count=COUNT):
    """The first windows of a batch: original, corrupted, opinion.

    Args:
        model: `ElectraPretrainer` with a tokenizer.
        batch: a held-out batch, always the same one.
        step: int, noted in the samples.
        count: int. How many windows. Defaults to 6.

    Returns:
        list of dicts of `step`, `tokens`, `corrupted` (lists of the
        vocabulary's tokens), `text` (what the corrupted ones stand for: with a
        space before a word, empty for special tokens), `is_replaced` (list of
        bool) and `probability` (list of float).
    """
    with model.fixed_samples():
        outputs = model.predict_on_batch(batch)
    logits = np.asarray(outputs["discriminator_logits"], np.float64)
    probability = 1.0 / (1.0 + np.exp(-logits))
    vocabulary = model.tokenizer.get_vocabulary()
    samples = []
    for row in range(min(count, len(probability))):
        length = int(np.sum(batch["padding_mask"][row]))
        tokens = np.asarray(batch["token_ids"][row][:length])
        if not length:
            continue
        corrupted = np.asarray(outputs["corrupted_token_ids"][row][:length])
        samples.append(
            {
                "step": step,
                "tokens": [vocabulary[i] for i in tokens],
                "corrupted": [vocabulary[i] for i in corrupted],
                "text": model.tokenizer.texts_of(corrupted),
                "is_replaced": [
                    bool(a != b) for a, b in zip(tokens, corrupted)
                ],
                "probability": [
                    round(float(p), 4) for p in probability[row][:length]
                ],
            }
        )
    return samples


def samples_markdown(samples):
    """A table a sample: replaced words, and how sure the model is."""
    texts = []
    for sample in samples:
        rows = ["| original | shown | probability of replaced |", "|-|-|-|"]
        for token, shown, replaced, probability in zip(
            sample["tokens"],
            sample["corrupted"],
            sample["is_replaced"],
            sample["probability"],
        ):
            if replaced:
                rows.append(f"| {token} | **{shown}** | {probability:.2f} |")
        texts.append(f"`{' '.join(sample['corrupted'])}`\n\n" + "\n".join(rows))
    return "\n\n---\n\n".join(texts)


def terminal_lines(sample, width=78, color=True):
    """A sample for the terminal: replaced words with probabilities.

    Every replaced word is shown as shown/original and its probability; words
    the model suspects wrongly (over 0.5) are marked too.

    Returns:
        string of several lines.
    """
    words, joinable = [], False
    for token, shown, text, replaced, probability in zip(
        sample["tokens"],
        sample["corrupted"],
        sample["text"],
        sample["is_replaced"],
        sample["probability"],
    ):
        if not text:
            continue
        marked = replaced or probability > 0.5
        if replaced:
            change = f"[{shown} ({token}) {probability:.2f}]"
            words.append(_paint(change, probability > 0.5, color))
        elif marked:
            words.append(_paint(f"<{shown} {probability:.2f}>", False, color))
        elif joinable and not text[0].isspace():
            words[-1] += text
        else:
            words.append(text.strip())
        joinable = not marked
    return _wrap(words, width)


def _paint(text, good, color):
    if not color:
        return text
    return f"\x1b[{'32' if good else '31'}m{text}\x1b[0m"


def _wrap(words, width):
    lines: list[str] = []
    line: list[str] = []
    length = 0
    for word in words:
        shown = word.replace("\x1b[32m", "").replace("\x1b[31m", "")
        size = len(shown.replace("\x1b[0m", "")) + 1
        if length + size > width and line:
            lines.append("  " + " ".join(line))
            line, length = [], 0
        line.append(word)
        length += size
    lines.append("  " + " ".join(line))
    return "\n".join(lines)
