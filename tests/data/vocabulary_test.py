"""Training vocabularies."""

import itertools
import os
import re
import subprocess
import sys

import pytest

from keras_rtd import tokenizers
from keras_rtd.data import vocabulary
from keras_rtd.data.vocabulary_report import measure
from keras_rtd.data.vocabulary_report import warnings_of
from keras_rtd.tokenizers import ElectraTokenizer

ENGLISH = "the old king sang a long song while his ring shone . "
GREEK = "\u039f \u03b2\u03b1\u03c3\u03b9\u03bb\u03b9\u03ac\u03c2 "
RUSSIAN = (
    "\u0421\u0442\u0430\u0440\u044b\u0439 \u043a\u043e\u0440\u043e\u043b\u044c "
)
CHINESE = "\u56fd\u738b\u5531\u6b4c\u3002 "
GERMAN = "K\u00f6nige m\u00f6gen Stra\u00dfen und Br\u00fccken "
SYLLABLES = itertools.product(("ka", "no", "ri", "te", "mo"), repeat=3)
INVENTED = " ".join(map("".join, SYLLABLES)) + "\n"


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    text = (ENGLISH + GREEK + RUSSIAN + CHINESE + GERMAN + INVENTED + "\n") * 5
    path.write_text(text, encoding="utf-8")
    return str(path)


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "keras_rtd.data.vocabulary", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_order(corpus):
    tokens = vocabulary.train_vocabulary([corpus], size=120)
    assert len(tokens) == len(set(tokens)) == 120
    assert tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    kinds = [
        2 + (len(token) > 3)
        if token.startswith("##")
        else 1 + 2 * (len(token) > 1)
        for token in tokens[5:]
    ]
    assert kinds == sorted(kinds)
    starts = [token for token in tokens[5:] if len(token) == 1]
    assert starts == sorted(starts)
    assert {"\u56fd", "\u3002", "\u00df", "\u03c2"} <= set(starts)


def test_training_and_use_agree(corpus):
    text = ENGLISH + GREEK + RUSSIAN + CHINESE + GERMAN
    for lowercase in (True, False):
        tokens = vocabulary.train_vocabulary(
            [corpus], size=160, lowercase=lowercase
        )
        assert any(token.isupper() for token in tokens[5:]) != lowercase
        tokenizer = ElectraTokenizer(tokens, lowercase=lowercase)
        (ids,) = tokenizer.encode_batch([text])
        assert tokenizer.unk_token_id not in ids
        assert len(ids) < len(text) / 2
        words = tokenizer.detokenize(ids).split()
        assert words == tokenizer._normalizer.words(text)


def test_accents(corpus):
    stripped = vocabulary.train_vocabulary([corpus], size=120)
    kept = vocabulary.train_vocabulary([corpus], size=120, strip_accents=False)
    assert "\u00f6" not in stripped
    assert "\u00f6" in kept


def test_frequent_words_are_whole(corpus):
    tokens = vocabulary.train_vocabulary([corpus], size=280)
    assert {"king", "song"} <= set(tokens)


def test_limit_alphabet(corpus):
    tokens = vocabulary.train_vocabulary([corpus], size=60, limit_alphabet=20)
    letters = [token for token in tokens[5:] if len(token) == 1]
    assert len(letters) == 20
    assert set("".join(tokens[5:])) - {"#"} == set(letters)


def test_min_frequency(tmp_path):
    path = tmp_path / "twice.txt"
    path.write_text("quetzal quetzal", encoding="utf-8")
    tokens = vocabulary.train_vocabulary([str(path)], size=5 + 7 + 6 + 6)
    assert tokens[-1] == "quetzal"
    tokens = vocabulary.train_vocabulary([str(path)], size=19, min_frequency=3)
    assert len(tokens) == 18


def test_special_tokens(corpus):
    special = ["<pad>", "<unk>", "<s>", "</s>", "<mask>", "<extra>"]
    tokens = vocabulary.train_vocabulary(
        [corpus], size=120, special_tokens=special
    )
    assert tokens[:6] == special
    for wrong, message in (
        (["a", "a"], "differ"),
        (["a b"], "without spaces"),
        (["<pad>", "k"], "single character"),
    ):
        with pytest.raises(ValueError, match=f"special_tokens.*{message}"):
            vocabulary.train_vocabulary(
                [corpus], size=120, special_tokens=wrong
            )


def test_size_must_fit(corpus, tmp_path):
    with pytest.raises(ValueError, match="size: 20 is too small"):
        vocabulary.train_vocabulary([corpus], size=20)
    tokens = vocabulary.train_vocabulary([corpus], size=5000)
    assert 120 < len(tokens) < 5000
    assert tokens == vocabulary.train_vocabulary([corpus], size=len(tokens))
    empty = tmp_path / "empty.txt"
    empty.write_text("\u200b\n")
    with pytest.raises(ValueError, match="no words"):
        vocabulary.train_vocabulary([str(empty)], size=100)


def test_command_gives_the_same_file_each_time(corpus, tmp_path):
    contents = []
    for seed in ("1", "2"):
        output = tmp_path / seed / "vocabulary.txt"
        result = run(
            *["--input", corpus, "--output", str(output), "--size", "150"],
            PYTHONHASHSEED=seed,
        )
        assert result.returncode == 0, result.stderr
        assert "wrote 150 tokens" in result.stdout
        assert os.listdir(output.parent) == ["vocabulary.txt"]
        contents.append(output.read_bytes())
    assert contents[0] == contents[1]
    assert contents[0].count(b"\n") == 150
    ElectraTokenizer(output)


def test_command_options(corpus, tmp_path, capsys):
    output = str(tmp_path / "v.txt")
    arguments = ["--input", corpus, "--output", output, "--size", "160"]
    vocabulary.main(arguments + ["--cased"])
    cased = open(output, encoding="utf-8").read().split()
    assert "K" in cased and "\u00f6" in cased
    vocabulary.main(arguments + ["--keep_accents"])
    accents = open(output, encoding="utf-8").read().split()
    assert "K" not in accents and "\u00f6" in accents


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--size", "many"], "--size"),
        (["--size", "20"], "size: 20 is too small"),
        (["--size", "0"], "size must be at least 1"),
        (["--input", "nowhere/*.txt"], "--input: .*nowhere"),
        (["--output", "."], "--output: .*directory"),
        (["--output", "/proc/none/v.txt"], "--output: cannot write"),
        (["--limit_alphabet", "-3"], "limit_alphabet must be"),
        (["--unknown"], "--unknown"),
    ],
)
def test_wrong_arguments_end_with_one_line(
    corpus, tmp_path, capsys, arguments, message
):
    output = str(tmp_path / "v.txt")
    complete = ["--input", corpus, "--output", output, *arguments]
    with pytest.raises(SystemExit) as error:
        vocabulary.main(complete)
    assert error.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "error: " in last
    assert re.search(message, last), last
    assert not os.path.exists(output)


VIETNAMESE = "ma má mà mạ mã mả"


@pytest.mark.parametrize(
    "kind, options",
    [
        ("wordpiece", []),
        ("wordpiece", ["--strip_accents"]),
        ("bpe", ["--pre_tokenizer", "code", "--lowercase"]),
        ("unigram", ["--normalization", "NFKC"]),
        ("characters", []),
        ("kmers", ["--k", "3"]),
    ],
)
def test_kinds(tmp_path, capsys, kind, options):
    text = tmp_path / "a.txt"
    text.write_text(f"{VIETNAMESE} {ENGLISH}\n" * 250)
    output = str(tmp_path / "tokenizer.json")
    vocabulary.main(
        ["--input", str(text), "--output", output, "--kind", kind]
        + ["--size", "4000", *options]
    )
    out, err = capsys.readouterr()
    tokenizer = tokenizers.load(output)
    assert type(tokenizer) is tokenizers.TOKENIZERS[kind]
    size = tokenizer.vocabulary_size()
    assert f"note: this corpus gives {size:,} tokens, not 4,000." in err
    assert "on 2 held-out lines:" in out
    assert "unknown tokens 0.00%, unknown characters 0.00%" in out
    stripped = "--strip_accents" in options
    assert ("warning: marks that tell" in err) == stripped
    merged = len(VIETNAMESE.split()) / len(
        set(f"{VIETNAMESE} {ENGLISH}".split())
    )
    expected = merged if stripped else 0
    assert f"words merged {expected:.2%}" in out
    ids = tokenizer.encode_batch(VIETNAMESE.split())
    assert len(set(map(tuple, ids))) == (1 if stripped else 6)


def test_the_report_counts_what_is_lost():
    tokenizer = ElectraTokenizer(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "e"]
    )
    # "ab", "\u00e9" as "e", and "xy" as one unknown token.
    found = measure(tokenizer, ["ab \u00e9 xy", "e ab"])
    assert found == {
        "unknown_tokens": 1 / 7,
        "unknown_characters": 2 / 8,
        "tokens_per_character": 7 / 8,
        "tokens_per_word": 7 / 5,
        "marks_dropped": 1 / 8,
        "words_merged": 2 / 3,
    }
    assert warnings_of(found)[0].startswith("over 1% is unknown")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--kind", "bpe", "--output", "v.txt"], "Pass a tokenizer.json"),
        (["--normalization", "NFC", "--output", "v.txt"], "tokenizer.json"),
        (["--k", "3"], "k: the kind wordpiece does not take it"),
        (["--cased", "--lowercase"], "exclude each other"),
        (["--keep_accents", "--strip_accents"], "exclude each other"),
        (["--kind", "unigram", "--size", "200"], "size: 200 is too small"),
        (["--coverage", "2"], "coverage must be above 0"),
    ],
)
def test_options_that_a_kind_does_not_take(
    corpus, tmp_path, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    complete = ["--input", corpus, "--output", "tokenizer.json", *arguments]
    with pytest.raises(SystemExit) as error:
        vocabulary.main(complete)
    assert error.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "error: " in last and message in last
