"""README.md of presets and of directories of transformers."""

import json
import re

import pytest
import tiny
import yaml

from keras_rtd.interop import convert
from keras_rtd.interop import huggingface
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.models import families
from keras_rtd.utils.targets import PRESET
from keras_rtd.utils.writing import new_path

CODE = re.compile(r"^With (.+?):\n\n```python\n(.+?)\n```$", re.M | re.S)
SETTINGS = {
    "data": {
        "data": [
            "corpus/*.txt",
            "/home/somebody/private/books.txt",
            "news=/home/somebody/private/*/news.txt:2",
            "https://somebody:secret@host/a.txt?token=secret",
        ],
        "mask_rate": 0.15,
    },
    "run": {"run_dir": "/home/somebody/run", "seed": 7, "profile": False},
    "model": {"init_from": "hf:/home/somebody/private/released"},
    "environment": {"backend": "torch"},
}
ROWS = (
    '{"step": 10, "val_discriminator_auc": 0.5, "loss": 3.0}\n'
    '{"step": 20, "val_discriminator_auc": 0.8125, "loss": 2.5}\n'
    '{"step": 30, "val_discr'
)


@pytest.fixture(scope="module")
def pretrainer():
    return tiny.pretrainer(with_tokenizer=True)


@pytest.fixture
def run_dir(tmp_path):
    """A run as a recipe leaves it, its last line cut short."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(SETTINGS))
    (folder / "metrics.jsonl").write_text(ROWS)
    return folder


def read(folder):
    """(header, text) of a card."""
    text = (folder / "README.md").read_text("utf-8")
    _, header, body = re.split(r"^---$", text, maxsplit=2, flags=re.M)
    return yaml.safe_load(header), body


def run_code(folder, monkeypatch, name):
    """What the card's code for a library gives, run in the folder."""
    monkeypatch.chdir(folder)
    found = {}
    exec(dict(CODE.findall(read(folder)[1]))[name], found)
    return found


def test_a_pretrainers_card_loads_it(pretrainer, tmp_path, monkeypatch):
    pretrainer.save_to_preset(tmp_path)
    header, text = read(tmp_path)
    assert header["library_name"] == "keras-hub"
    assert "electra" in header["tags"] and "license" not in header
    assert "# license:" in (tmp_path / "README.md").read_text()
    assert "clark2020electra" in text and "No run directory" in text
    model = run_code(tmp_path, monkeypatch, "keras_rtd")["model"]
    assert type(model) is ElectraPretrainer
    name = "KerasHub, the encoder alone"
    encoder = run_code(tmp_path, monkeypatch, name)["encoder"]
    assert type(encoder) is type(pretrainer.backbone)


def test_a_tasks_card_names_what_it_does(pretrainer, tmp_path, monkeypatch):
    task = ElectraTextClassifier(
        pretrainer.backbone, num_classes=2, preprocessor=None
    )
    task.save_to_preset(tmp_path)
    header, _ = read(tmp_path)
    assert header["pipeline_tag"] == "text-classification"
    model = run_code(tmp_path, monkeypatch, "keras_rtd")["model"]
    assert type(model) is ElectraTextClassifier


def test_the_run_around_a_preset_is_told(pretrainer, run_dir):
    pretrainer.save_to_preset(run_dir / "preset")
    _, text = read(run_dir / "preset")
    assert "- `corpus/*.txt`" in text and "- `books.txt`" in text
    assert "- `https://host/a.txt`" in text and "- `news=news.txt:2`" in text
    assert "| init_from | hf:released |" in text
    assert "| mask_rate | 0.15 |" in text and "| seed | 7 |" in text
    assert "| step | 20 |" in text
    assert "| val_discriminator_auc | 0.8125 |" in text
    for private in ("somebody", "secret", "| loss"):
        assert private not in text


def test_a_conversion_tells_of_the_presets_run(pretrainer, run_dir, tmp_path):
    pytest.importorskip("safetensors")
    pretrainer.save_to_preset(run_dir / "preset")
    convert.convert(f"preset:{run_dir / 'preset'}", f"hf:{tmp_path / 'hf'}")
    for folder in ("discriminator", "generator"):
        header, text = read(tmp_path / "hf" / folder)
        assert header["library_name"] == "transformers"
        assert "| val_discriminator_auc | 0.8125 |" in text


def test_a_card_of_the_user_stays(pretrainer, tmp_path):
    pytest.importorskip("safetensors")
    for save in (
        lambda folder: pretrainer.backbone.save_to_preset(folder),
        lambda folder: huggingface.save(pretrainer.backbone, folder),
    ):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        save(folder)
        card = folder / "README.md"
        ours = card.read_text("utf-8")
        card.write_text(ours + "\nAnother line.\n")
        save(folder)
        assert card.read_text("utf-8") == ours
        theirs = re.sub("<!-- Written by .*-->", "", ours) + "Mine."
        card.write_text(theirs)
        save(folder)
        assert card.read_text("utf-8") == theirs


def test_a_folder_with_a_card_of_the_user_is_not_replaced(pretrainer, tmp_path):
    folder = tmp_path / "preset"
    for _ in range(2):
        with new_path(folder, PRESET) as temporary:
            pretrainer.backbone.save_to_preset(temporary)
    (folder / "README.md").write_text("Mine.")
    with pytest.raises(ValueError, match="that is not a preset"):
        with new_path(folder, PRESET):
            pass
    assert (folder / "README.md").read_text() == "Mine."


@pytest.mark.parametrize("family", ["deberta_v3", "electra", "modernbert"])
def test_a_directory_of_transformers_is_complete(family, tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    model = tiny.pretrainer(
        with_tokenizer=True,
        family=family,
        encoder_options={"embedding_dim": 16},
    )
    detector = model.replaced_token_detector()
    if family == "deberta_v3":
        # transformers has no detector of this family.
        detector = detector.backbone
    huggingface.save(detector, tmp_path, model.tokenizer)
    header, text = read(tmp_path)
    assert header["library_name"] == "transformers"
    citation = families.get(family).citation
    assert text.count("\n@") == 1 + bool(citation) and citation in text
    ours = run_code(tmp_path, monkeypatch, "keras_rtd")["model"]
    assert type(ours) is type(detector)
    theirs = run_code(tmp_path, monkeypatch, "transformers")
    name = json.loads((tmp_path / "config.json").read_text())["architectures"]
    assert [type(theirs["model"]).__name__] == name
    assert theirs["tokenizer"].mask_token == "[MASK]"
    _, info = transformers.AutoModel.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not info["missing_keys"] and not info["mismatched_keys"]
    # What sentence-transformers imports, each from its folder.
    modules = json.loads((tmp_path / "modules.json").read_text())
    assert [(m["idx"], m["name"], m["path"], m["type"]) for m in modules] == [
        (0, "0", "", "sentence_transformers.models.Transformer"),
        (1, "1", "1_Pooling", "sentence_transformers.models.Pooling"),
    ]
    pooling = json.loads((tmp_path / "1_Pooling/config.json").read_text())
    assert pooling["word_embedding_dimension"] == 16
    assert [k for k, v in pooling.items() if v is True] == [
        "pooling_mode_mean_tokens"
    ]
    limits = json.loads((tmp_path / "sentence_bert_config.json").read_text())
    assert limits == {"max_seq_length": 32, "do_lower_case": False}


def test_kinds_of_directories_have_their_tags(pretrainer, tmp_path):
    pytest.importorskip("safetensors")
    huggingface.save(pretrainer, tmp_path)
    tags = [
        read(tmp_path / name)[0].get("pipeline_tag")
        for name in ("discriminator", "generator")
    ]
    assert tags == [
        ElectraReplacedTokenDetector.pipeline_tag,
        ElectraMaskedLM.pipeline_tag,
    ]
    assert tags == [None, "fill-mask"]
