"""Tagged words in columns: reading, tag schemes and the score of conlleval.

A tag is `O` or a prefix, a hyphen and a type: `B-NP`. BIO begins every chunk
with B; BIOES ends those of several words with E and marks the others with S.
"""

import dataclasses
from collections.abc import Sequence

from keras_rtd.evaluation.text_files import read_lines
from keras_rtd.utils.tag_chunks import chunks
from keras_rtd.utils.tag_chunks import is_tag
from keras_rtd.utils.types import Path

# Files of the training and of the scored sentences, as they are distributed.
TASKS = {
    "conll2000": ("train.txt", "test.txt"),
    "wnut17": ("wnut17train.conll", "emerging.test.annotated"),
}


@dataclasses.dataclass(frozen=True)
class Sentences:
    """Tagged sentences.

    Attributes:
        words: list of lists of str.
        tags: list of lists of str, of the same lengths.
    """

    words: list[list[str]]
    tags: list[list[str]]

    def __len__(self) -> int:
        return len(self.words)

    @property
    def types(self) -> list[str]:
        """Sorted types of the chunks, such as `NP`."""
        every = {tag for tags in self.tags for tag in tags}
        return sorted({tag[2:] for tag in every if tag != "O"})


def read(path: Path) -> Sentences:
    """Reads a file of the CoNLL kind.

    A word a line, the word in the first column and the tag in the last; tabs
    or, in lines without a tab, spaces between; a line without text ends a
    sentence, and lines that begin with `-DOCSTART-` are left out.

    Args:
        path: str or path, plain or `.gz`.

    Returns:
        `Sentences`, with tags as they are in the file.

    Raises:
        ValueError: a bad line, with file and line, or a file without words.
    """
    words: list[list[str]] = []
    tags: list[list[str]] = []
    width = None
    inside = False
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip() or line.startswith("-DOCSTART-"):
            inside = False
            continue
        cells = line.split("\t") if "\t" in line else line.split()
        width = width or len(cells)
        if len(cells) != width or width < 2:
            raise ValueError(
                f"{path}, line {number}: {len(cells)} columns where "
                f"{max(width, 2)} are expected."
            )
        word, tag = cells[0].strip(), cells[-1].strip()
        if not word or not is_tag(tag):
            raise ValueError(
                f"{path}, line {number}: a word and a tag such as O or B-NP "
                f"are expected. Found: {line!r}"
            )
        if not inside:
            words.append([])
            tags.append([])
            inside = True
        words[-1].append(word)
        tags[-1].append(tag)
    if not words:
        raise ValueError(f"{path} holds no words.")
    return Sentences(words, tags)


def to_bioes(tags: Sequence[str]) -> list[str]:
    """Tags of either scheme, valid or not, as valid BIOES.

    Args:
        tags: list of str.

    Returns:
        list of str with the same chunks, see `chunks`.
    """
    result = ["O"] * len(tags)
    for kind, start, end in chunks(tags):
        if end - start == 1:
            result[start] = f"S-{kind}"
            continue
        result[start:end] = [f"I-{kind}"] * (end - start)
        result[start] = f"B-{kind}"
        result[end - 1] = f"E-{kind}"
    return result


def to_bio(tags: Sequence[str]) -> list[str]:
    """Tags of either scheme, valid or not, as valid BIO.

    Args:
        tags: list of str.

    Returns:
        list of str with the same chunks, see `chunks`.
    """
    result = ["O"] * len(tags)
    for kind, start, end in chunks(tags):
        result[start:end] = [f"I-{kind}"] * (end - start)
        result[start] = f"B-{kind}"
    return result


def score(
    true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> dict[str, float]:
    """What conlleval prints: chunks found whole, and tags that are right.

    Source: the CoNLL-2000 shared task's `conlleval`.

    Args:
        true: list of lists of str, BIO or BIOES.
        predicted: the same for what is scored; BIO where `true` is BIO, or
            the accuracy means nothing.

    Returns:
        dict of floats from 0 to 100: `precision`, `recall`, `f1` of chunks
        with type and both ends right, and `accuracy` of tags. What would be
        divided by 0 is 0.

    Raises:
        ValueError: other numbers of sentences or words, or a bad tag.
    """
    if len(true) != len(predicted):
        raise ValueError(
            "`true` and `predicted` must have the same number of sentences. "
            f"Received: {len(true)} and {len(predicted)}"
        )
    right = expected = found = right_tags = words = 0
    for index, (gold, guess) in enumerate(zip(true, predicted)):
        if len(gold) != len(guess):
            raise ValueError(
                f"Sentence {index} has {len(gold)} tags in `true` and "
                f"{len(guess)} in `predicted`."
            )
        gold_chunks, guess_chunks = set(chunks(gold)), set(chunks(guess))
        right += len(gold_chunks & guess_chunks)
        expected += len(gold_chunks)
        found += len(guess_chunks)
        right_tags += sum(a == b for a, b in zip(gold, guess))
        words += len(gold)
    return {
        "precision": _percent(right, found),
        "recall": _percent(right, expected),
        "f1": _percent(2 * right, found + expected),
        "accuracy": _percent(right_tags, words),
    }


def _percent(part, whole):
    return 100.0 * part / whole if whole else 0.0
