"""Input that others wrote: one line that names it, or it is read."""

import copy
import json
import os
import time

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_rtd.data import corpus
from keras_rtd.data import manifest
from keras_rtd.data import storage
from keras_rtd.data.replacements import Replacements
from keras_rtd.evaluation import blimp
from keras_rtd.evaluation import squad
from keras_rtd.interop import huggingface_files
from keras_rtd.models.presets import check_known
from keras_rtd.pretraining.report import write_report
from keras_rtd.pretraining.resolution import resolve
from keras_rtd.pretraining.run_directory import RunDirectory
from keras_rtd.tokenizers import load
from keras_rtd.tokenizers.vocabulary_file import read_vocabulary
from keras_rtd.utils import json_file
from keras_rtd.utils.setting import ConfigError

QUICK = settings(
    max_examples=40,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
DEEP = "[" * 100_000
# Numbers, texts and shapes that readers trip over.
ODD = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2**40,
        10**400,
        1.5,
        float("nan"),
        float("inf"),
        "",
        "x",
        "\ud800",
        "\0",
        [],
        [[]],
        {},
        {"a": {}},
    ]
)


def places(value, place=()):
    """The paths of all values in a value."""
    yield place
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield from places(value[key], (*place, key))


@st.composite
def damaged(draw, value):
    """A value with one odd one in it, or one left out."""
    value = copy.deepcopy(value)
    place = draw(st.sampled_from(list(places(value))))
    if not place:
        return draw(ODD)
    inner = value
    for key in place[:-1]:
        inner = inner[key]
    if draw(st.booleans()):
        inner[place[-1]] = draw(ODD)
    else:
        del inner[place[-1]]
    return value


def check(reader, path):
    """`reader(path)` succeeds, or says in one line which file it is."""
    try:
        reader(path)
    except ValueError as error:
        message = str(error)
        named = os.path.basename(path), os.path.basename(os.path.dirname(path))
        assert any(name in message for name in named), message
        assert "\n" not in message and len(message) < 1000, message


SQUAD = {
    "version": "1.1",
    "data": [
        {
            "title": "a",
            "paragraphs": [
                {
                    "context": "a b c",
                    "qas": [
                        {
                            "id": "1",
                            "question": "what?",
                            "answers": [{"text": "b", "answer_start": 2}],
                            "is_impossible": False,
                        }
                    ],
                }
            ],
        }
    ],
}
PAIR = {
    "sentence_good": "he was",
    "sentence_bad": "he were",
    "field": "syntax",
    "linguistics_term": "agreement",
}
SAMPLES = [
    {
        "step": 10,
        "tokens": ["a"],
        "corrupted": ["b"],
        "text": [" b"],
        "is_replaced": [True],
        "probability": [0.5],
    }
]
ELECTRA = {
    "model_type": "electra",
    "architectures": ["ElectraForPreTraining"],
    "vocab_size": 30,
    "hidden_size": 8,
    "embedding_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "layer_norm_eps": 1e-12,
    "hidden_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "id2label": {"0": "a", "1": "b"},
}
FILE = {"file": "a.npy", "bytes": 3, "sha256": "0" * 64}
MANIFEST = {
    "format_version": storage.FORMAT_VERSION,
    "options": {},
    "tokenizer": {
        "fingerprint": "0" * 64,
        "vocabulary_size": 30,
        **{f"{n}_token_id": i for i, n in enumerate(("cls", "sep", "pad"))},
        "mask_token_id": 4,
    },
    "counts": {split: {"tokens": 1} for split in storage.SPLITS},
    "shards": [
        {
            "split": "train",
            "files": {
                name: FILE for name in ("tokens", "documents", "line_starts")
            },
        }
    ],
    "files": {"unigram_counts": FILE, "word_start": FILE},
}
REPLACEMENTS = {
    "format_version": 1,
    "examples": 3,
    "settings": {"seed": 0},
    "files": [FILE],
}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDPIECE = {
    "added_tokens": [
        {"id": i, "content": token, "special": True, "normalized": False}
        for i, token in enumerate(SPECIAL)
    ],
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {
        "type": "BertProcessing",
        "cls": ["[CLS]", 2],
        "sep": ["[SEP]", 3],
    },
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "vocab": {token: i for i, token in enumerate([*SPECIAL, "a"])},
    },
}
PRESET = {
    "module": "keras_rtd",
    "class_name": "ElectraBackbone",
    "registered_name": "keras_rtd>ElectraBackbone",
    "config": {"num_layers": 2},
}


def read_report(path):
    write_report(os.path.dirname(path))


def read_samples(path):
    RunDirectory(os.path.dirname(path)).read_samples()


def read_manifest(path):
    storage.files_of(manifest.load_manifest(os.path.dirname(path)))


def read_jsonl(path):
    for _ in corpus.read_documents(path):
        pass


READERS = {
    "squad": ("train.json", SQUAD, squad.read),
    "blimp": ("one.jsonl", PAIR, blimp.read),
    "jsonl": ("corpus.jsonl", {"text": "a b"}, read_jsonl),
    "samples in a report": ("samples.json", SAMPLES, read_report),
    "samples in a run": ("samples.json", SAMPLES, read_samples),
    "metrics": ("metrics.jsonl", {"step": 1, "loss": 2.0}, read_report),
    "hugging face": (
        "config.json",
        ELECTRA,
        lambda path: huggingface_files.read_config(os.path.dirname(path)),
    ),
    "manifest": ("manifest.json", MANIFEST, read_manifest),
    "replacements": (
        "manifest.json",
        REPLACEMENTS,
        lambda path: Replacements(os.path.dirname(path)),
    ),
    "tokenizer": ("tokenizer.json", WORDPIECE, load),
    "preset": (
        "config.json",
        PRESET,
        lambda path: check_known(os.path.dirname(path)),
    ),
}
NAMES = sorted(READERS)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_types_at_any_depth(name, tmp_path):
    file, good, reader = READERS[name]
    path = str(tmp_path / file)

    @QUICK
    @given(damaged(good))
    def try_one(value):
        with open(path, "w") as target:
            json.dump(value, target)
        check(reader, path)

    try_one()


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"replacements"}))
def test_what_is_damaged_here_is_good(name, tmp_path):
    file, good, reader = READERS[name]
    (tmp_path / file).write_text(json.dumps(good))
    reader(str(tmp_path / file))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text",
    [DEEP, '{"a":' * 100_000, "9" * 5000, "{", "", "null", '"a"', "\xff", "\0"],
    ids="list object number cut empty null string latin zero".split(),
)
def test_other_texts(name, text, tmp_path):
    file, _, reader = READERS[name]
    path = str(tmp_path / file)
    with open(path, "w", encoding="latin-1") as target:
        target.write(text)
    check(reader, path)


@pytest.mark.parametrize("name", ["squad", "blimp", "tokenizer"])
def test_pipes_and_devices_are_refused_at_once(name, tmp_path):
    file, _, reader = READERS[name]
    pipe = str(tmp_path / file)
    os.mkfifo(pipe)
    start = time.monotonic()
    with pytest.raises(ValueError, match="no regular file"):
        reader(pipe)
    if name != "tokenizer":
        with pytest.raises(ValueError, match="/dev/zero is no regular file"):
            reader("/dev/zero")
    assert time.monotonic() - start < 5


def test_a_device_is_no_vocabulary_and_no_corpus():
    for reader in (read_vocabulary, read_jsonl):
        with pytest.raises(ValueError, match="/dev/zero"):
            reader("/dev/zero")


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    import gzip

    from keras_rtd.evaluation import text_files

    monkeypatch.setattr(text_files, "_LARGEST", 1 << 20)
    path = tmp_path / "train.json.gz"
    path.write_bytes(gzip.compress(b" " * (1 << 22)))
    with pytest.raises(ValueError, match="train.json.gz has more than"):
        squad.read(path)


def test_records_and_values_are_bounded(tmp_path, monkeypatch):
    from keras_rtd.data.readers import jsonl
    from keras_rtd.data.readers import text

    monkeypatch.setattr(jsonl, "LONGEST_RECORD", 1 << 20)
    monkeypatch.setattr(text, "LONGEST_RECORD", 1 << 20)
    path = tmp_path / "corpus.jsonl"
    for content in ('{"text": "' + "a" * (1 << 22), "[{" + "a" * (1 << 22)):
        path.write_text(content)
        with pytest.raises(ValueError, match="corpus.jsonl.* more than 1,048"):
            read_jsonl(str(path))
    with pytest.raises(ValueError, match="a.json has more than 5,000,000"):
        json_file.parse("[" + "[]," * 5_000_000 + "[]]", "a.json")


def test_places_are_named():
    value = copy.deepcopy(SQUAD)
    value["data"][0]["paragraphs"][0]["qas"] = "x"
    node = json_file.Node(value, "a.json")["data"].items()[0]
    qas = node["paragraphs"].items()[0]["qas"]
    with pytest.raises(ValueError, match=r"^a\.json: data\[0\]\.paragraphs"):
        qas.items()


@pytest.mark.parametrize("name", ["batch_size", "seed", "train_steps"])
def test_huge_numbers_in_flags(name):
    for value in ("9" * 30, "9" * 5000, "1" + "0" * 400):
        with pytest.raises(ConfigError, match=name) as caught:
            resolve(given={"data": "x", name: value})
        assert len(str(caught.value)) < 1000


@QUICK
@given(st.text())
def test_any_text_as_a_config_file(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("config") / "a.yaml"
    path.write_text(text, "utf-8", "surrogatepass")
    with pytest.raises(ConfigError) as caught:
        resolve(config_file=path)
    assert str(path) in str(caught.value)


def test_aliases_of_aliases(tmp_path):
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    path = tmp_path / "a.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="a.yaml"):
        resolve(config_file=path)
