"""A corpus in which no word occurs twice, so that losses show by counting."""

import random
import types

import pytest

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NUM_WORDS = 8000


@pytest.fixture(scope="session")
def tokenizer():
    """Every word `w0`, `w1`, … is one token, `w0s` is two."""
    from keras_rtd.tokenizers import ElectraTokenizer

    words = [f"w{i}" for i in range(NUM_WORDS)]
    return ElectraTokenizer([*SPECIAL, *words, "##s"])


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """90 documents of 1 to 130 words in 3 files.

    Attributes: `directory`, `texts` (documents as lists of lines of words).
    """
    rng = random.Random(1)
    words = [f"w{i}" for i in range(NUM_WORDS)]
    rng.shuffle(words)
    directory = tmp_path_factory.mktemp("corpus")
    texts = []
    for number in range(3):
        documents = []
        for size in [1, 2, 125, 126, *(rng.randint(1, 130) for _ in range(26))]:
            lines = []
            while size:
                length = min(size, rng.randint(1, 30))
                lines.append([words.pop() for _ in range(length)])
                size -= length
            documents.append(lines)
        texts += documents
        joined = "\n\n".join(
            "\n".join(" ".join(line) for line in lines) for lines in documents
        )
        (directory / f"part{number}.txt").write_text(joined + "\n")
    return types.SimpleNamespace(directory=directory, texts=texts)


@pytest.fixture(scope="session")
def prepared(corpus, tokenizer, tmp_path_factory):
    """The corpus, prepared in several shards."""
    from keras_rtd.data import prepare_corpus

    directory = tmp_path_factory.mktemp("prepared")
    prepare_corpus(
        corpus.directory,
        directory,
        tokenizer,
        validation_fraction=0.1,
        shard_tokens=1000,
    )
    return directory
