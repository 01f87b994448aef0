"""Every entry point that writes: nothing that we did not write is lost."""

import json
import os
import pathlib
import re
import types

import pytest
import tiny
from recipe import run_here

from keras_rtd import export
from keras_rtd.data import prepare
from keras_rtd.data import prepare_corpus
from keras_rtd.data import python_docs
from keras_rtd.data import vocabulary
from keras_rtd.data.local_copy import CACHE
from keras_rtd.data.local_copy import local_copy
from keras_rtd.data.replacements import write_replacements
from keras_rtd.interop import google
from keras_rtd.interop import huggingface
from keras_rtd.interop import keras_hub
from keras_rtd.interop.convert import convert
from keras_rtd.interop.huggingface_files import INDEX
from keras_rtd.interop.huggingface_files import read_weights
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.pretraining.remote_run_directory import open_run_directory
from keras_rtd.pretraining.report import write_report
from keras_rtd.pretraining.run_directory import RunDirectory
from keras_rtd.pretraining.run_directory import RunDirectoryError
from keras_rtd.tokenizers import ElectraTokenizer
from keras_rtd.tokenizers.training import SPECIAL_TOKENS
from keras_rtd.training import Checkpoint

ROOT = pathlib.Path(__file__).parents[1]

# A folder of somebody else's, with names that one or another writer has too.
FOREIGN = (
    "checkpoint",
    "comparison.md",
    "config.json",
    "manifest.json",
    "metrics.jsonl",
    "model.hparams.json",
    "model.index",
    "model.safetensors",
    "model.tmp/inside",
    "notes.txt",
    "notes.tmp",
    "preset/mine.txt",
    "replacements.json",
    "report.html",
    "results.md",
    "saved_model.pb",
    "suite.md",
    "task.json",
    "tokenizer.json",
    "vocab.txt",
    "vocabulary.txt",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    model = tiny.pretrainer(with_tokenizer=True)
    model.save_to_preset(str(folder / "preset"))
    (folder / "corpus").mkdir()
    corpus = folder / "corpus" / "text.txt"
    corpus.write_text(tiny.text(50), encoding="utf-8")
    return types.SimpleNamespace(
        folder=folder,
        model=model,
        tokenizer=model.preprocessor.tokenizer,
        preset=folder / "preset",
        corpus=corpus,
    )


@pytest.fixture
def foreign(tmp_path):
    folder = tmp_path / "foreign"
    for name in FOREIGN:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"mine": name}))
    return folder


def tree(folder):
    return {
        path: path.read_bytes() if path.is_file() else path.lstat().st_mode
        for path in sorted(folder.rglob("*"))
        if not path.is_symlink()
    }


def command(main, *arguments):
    """A command's `main`, whose exit status is an error."""
    try:
        status = main([str(a) for a in arguments])
    except SystemExit as e:
        status = e.code
    if status:
        raise ValueError(status)


def recipe(name, *arguments):
    path = str(ROOT / "recipes" / f"{name}.py")
    result = run_here(["python", path, *map(str, arguments)])
    if result.returncode:
        assert result.stderr.startswith("error: "), result.stderr
        assert len(result.stderr.splitlines()) == 1
        raise ValueError(result.stderr)


def replacements(_, path):
    write_replacements(path, {}, 4, 2, 100, lambda first, count: [[1, 2]] * 4)


# === What writes a folder ===

FOLDERS = {
    "saved_model": lambda w, p: export.saved_model(str(w.preset), str(p)),
    "prepare_corpus": lambda w, p: prepare_corpus(w.corpus, p, w.tokenizer),
    "prepare": lambda w, p: command(
        prepare.main,
        f"--input={w.corpus}",
        f"--output={p}",
        f"--preset={w.preset}",
    ),
    "replacements": replacements,
    "pretrainer": lambda w, p: w.model.save_to_preset(p),
    "backbone": lambda w, p: w.model.backbone.save_to_preset(p),
    "masked_lm": lambda w, p: w.model.masked_lm().save_to_preset(p),
    "detector": lambda w, p: w.model.replaced_token_detector().save_to_preset(
        p
    ),
    "preprocessor": lambda w, p: w.model.preprocessor.save_to_preset(p),
    "tokenizer": lambda w, p: w.tokenizer.save_to_preset(p),
    "huggingface": lambda w, p: huggingface.save(
        w.model.replaced_token_detector(), p
    ),
    "keras_hub": lambda w, p: keras_hub.save(w.model, p),
    "google": lambda w, p: google.save(w.model, p / "model"),
    "convert_preset": lambda w, p: convert(f"preset:{w.preset}", f"preset:{p}"),
    "run_directory": lambda w, p: RunDirectory(p).acquire(),
    "pretrain": lambda w, p: recipe(
        "pretrain_tiny", f"--data={w.corpus}", f"--run_dir={p}"
    ),
    "compare": lambda w, p: recipe(
        "compare_objectives", f"--data={w.corpus}", f"--run_dir={p}"
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_others_is_refused(world, foreign, monkeypatch, name):
    before = tree(foreign)
    with pytest.raises((ValueError, RunDirectoryError)):
        FOLDERS[name](world, foreign)
    assert tree(foreign) == before
    # Called by another name.
    monkeypatch.chdir(foreign)
    with pytest.raises((ValueError, RunDirectoryError)):
        FOLDERS[name](world, pathlib.Path("."))
    assert tree(foreign) == before


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(set(FOLDERS) - {"google"}))
def test_a_file_in_a_folders_place_is_refused(world, tmp_path, name):
    path = tmp_path / "notes"
    path.write_text("mine")
    null = tmp_path / "null"
    null.symlink_to("/dev/null")
    os.mkfifo(tmp_path / "fifo")
    for target in (path, null, tmp_path / "fifo"):
        with pytest.raises((ValueError, RunDirectoryError)):
            FOLDERS[name](world, target)
    assert path.read_text() == "mine"
    assert null.is_symlink() and (tmp_path / "fifo").is_fifo()


# === What writes a file ===


def onnx(world, path):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    export.onnx(str(world.preset), str(path))


FILES = {
    "vocabulary": lambda w, p: command(
        vocabulary.main, f"--input={w.corpus}", f"--output={p}", "--size=200"
    ),
    "tokenizer": lambda w, p: ElectraTokenizer([*SPECIAL_TOKENS, "a"]).save(p),
    "python_docs": lambda w, p: python_docs.write_corpus(p),
    "onnx": onnx,
    "blimp": lambda w, p: recipe(
        "evaluate_blimp",
        f"--model={w.preset}",
        f"--data={w.corpus}",
        f"--output={p}",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_kind_is_refused(world, tmp_path, name):
    parquet = tmp_path / "data.parquet"
    parquet.write_bytes(b"PAR1\x00\xff")
    text = tmp_path / "text.txt"
    text.write_text("A corpus of mine.\nMore of it.\n")
    null, fifo = tmp_path / "null", tmp_path / "fifo"
    null.symlink_to("/dev/null")
    os.mkfifo(fifo)
    (tmp_path / "folder").mkdir()
    before, device = tree(tmp_path), os.stat("/dev/null")
    for target in tmp_path.iterdir():
        with pytest.raises(ValueError):
            FILES[name](world, target)
    assert tree(tmp_path) == before
    assert null.is_symlink() and os.stat("/dev/null") == device


@pytest.mark.parametrize("name", ["vocabulary", "blimp"])
def test_a_file_that_is_an_input_is_refused(world, name):
    before = tree(world.folder)
    with pytest.raises(ValueError):
        FILES[name](world, world.corpus)
    assert tree(world.folder) == before


def test_a_vocabulary_replaces_a_vocabulary(tmp_path):
    path = tmp_path / "vocabulary.txt"
    for pieces in (["a"], ["b", "##b"]):
        tokens = [*SPECIAL_TOKENS, *pieces]
        ElectraTokenizer(tokens).save(path)
        assert path.read_text().split() == tokens
    assert list(tmp_path.iterdir()) == [path]


# === Inputs ===


@pytest.mark.parametrize("target", ["preset", "."])
def test_an_export_spares_its_preset(world, target):
    before = tree(world.folder)
    for write in (export.saved_model, onnx_of):
        with pytest.raises(ValueError, match="is, or contains, the input"):
            write(str(world.preset), str(world.folder / target))
    assert tree(world.folder) == before


def onnx_of(preset, path):
    onnx(types.SimpleNamespace(preset=preset), path)


@pytest.mark.parametrize("target", ["corpus", "."])
def test_preparing_spares_its_corpus(world, target):
    before = tree(world.folder)
    with pytest.raises(ValueError, match="is, or contains, the input"):
        prepare_corpus(world.corpus, world.folder / target, world.tokenizer)
    assert tree(world.folder) == before


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["preset", "hf", "keras_hub"])
def test_converting_spares_its_source(world, tmp_path, kind):
    before = tree(world.folder)
    with pytest.raises(ValueError, match="is, or contains, the input"):
        convert(f"preset:{world.preset}", f"{kind}:{world.preset}")
    assert tree(world.folder) == before
    convert(f"preset:{world.preset}", f"hf:{tmp_path}/hf")
    before = tree(tmp_path)
    for target in ("hf", "hf/discriminator"):
        with pytest.raises(ValueError, match="is, or contains, the input"):
            convert(f"hf:{tmp_path}/hf", f"{kind}:{tmp_path}/{target}")
    assert tree(tmp_path) == before


# === Only our own temporary files ===


def test_others_temporary_files_stay(world, tmp_path):
    (tmp_path / "notes.tmp").write_text("mine")
    (tmp_path / "model.tmp").mkdir()
    (tmp_path / "step-9.checkpoint.npz.tmp").write_text("mine")
    before = tree(tmp_path)
    run = RunDirectory(tmp_path)
    run.acquire()
    run.clean()
    run.release()
    Checkpoint(tmp_path).files.clean()
    prepare_corpus(world.corpus, tmp_path, world.tokenizer)
    replacements(world, tmp_path)
    after = tree(tmp_path)
    assert {path: after[path] for path in before} == before
    names = [path.name for path in after if path not in before]
    assert not [name for name in names if name.endswith(".tmp")]


# === Run directories ===


def test_a_run_may_have_files_of_others_beside_its_own(tmp_path):
    (tmp_path / "train.log").write_text("mine")
    run = RunDirectory(tmp_path)
    run.acquire()
    run.release()
    # Killed before it had written its settings.
    (tmp_path / "metrics.jsonl").write_text("{}")
    RunDirectory(tmp_path).check()
    run.write_json(run.config, {"backend": "torch"})
    RunDirectory(tmp_path).check()
    assert (tmp_path / "train.log").read_text() == "mine"


def test_a_run_directory_has_a_name():
    with pytest.raises(RunDirectoryError, match="--run_dir is empty"):
        open_run_directory("")


def test_a_remote_folder_of_others_is_refused(tmp_path):
    url = f"file://{tmp_path}"
    (tmp_path / "config.json").write_text('{"mine": 1}')
    with pytest.raises(RunDirectoryError, match="that is no run's"):
        open_run_directory(url).acquire()
    (tmp_path / "config.json").rename(tmp_path / "report.html")
    with pytest.raises(RunDirectoryError, match="holds report.html"):
        open_run_directory(url).acquire()
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_report_of_others_is_refused(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("<title>mine</title>")
    with pytest.raises(ValueError, match="is not a run's report"):
        write_report(tmp_path)
    assert path.read_text() == "<title>mine</title>"
    path.unlink()
    assert write_report(tmp_path) == write_report(tmp_path) == path


# === Names that files give ===


@pytest.mark.parametrize("name", ["../../out.npy", "/tmp/out.npy", "a/b", ""])
def test_a_manifest_leads_nowhere_else(world, tmp_path, monkeypatch, name):
    source, cache = tmp_path / "a" / "source", tmp_path / "a" / "b" / "cache"
    prepare_corpus(world.corpus, source, world.tokenizer)
    path = source / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["shards"][0]["files"]["tokens"]["file"] = name
    path.write_text(json.dumps(manifest))
    monkeypatch.setenv(CACHE, str(cache))
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="names the file"):
        local_copy(f"file://{source}")
    added = set(tree(tmp_path)) - set(before)
    assert {p.relative_to(tmp_path).as_posix() for p in added} <= {
        "a/b",
        "a/b/cache",
        "a/b/cache/lock",
    }


def test_an_index_of_weights_leads_nowhere_else(tmp_path):
    names = {"weight_map": {"a": "../other.safetensors"}}
    (tmp_path / INDEX).write_text(json.dumps(names))
    with pytest.raises(ValueError, match="names the file '../other"):
        read_weights(tmp_path)


def test_shards_of_a_preset_lead_nowhere_else(world, tmp_path):
    world.model.save_to_preset(tmp_path)
    (tmp_path / "model.weights.h5").unlink()
    names = {"weight_map": {"a": ["../model_0.weights.h5"]}}
    (tmp_path / "model.weights.json").write_text(json.dumps(names))
    for cls in (ElectraBackbone, ElectraPretrainer, ElectraMaskedLM):
        with pytest.raises(ValueError, match="names the file '../model_0"):
            cls.from_preset(str(tmp_path))


# === Presets without weights ===


@pytest.mark.parametrize(
    "cls",
    [
        ElectraBackbone,
        ElectraMaskedLM,
        ElectraReplacedTokenDetector,
        ElectraTextClassifier,
    ],
)
def test_missing_weights_are_named(cls):
    name = "electra_small_uncased_en"
    with pytest.raises(ValueError, match=f"{name}.*load_weights=False"):
        cls.from_preset(name)


def test_a_full_disk_is_one_line(world, tmp_path, monkeypatch):
    def full(*_, **__):
        # As HDF5 says it.
        raise RuntimeError("flush failed\n(No space left on device)")

    monkeypatch.setattr(ElectraBackbone, "save_weights", full)
    run = RunDirectory(tmp_path)
    for write in (
        lambda: world.model.save_to_preset(tmp_path / "x"),
        lambda: run.replace_folder(run.preset, world.model.save_to_preset),
    ):
        with pytest.raises(OSError, match="The disk is full: ") as found:
            write()
        assert "\n" not in str(found.value)
    assert not run.preset.exists()


# === No other way to write ===

RAW = re.compile(
    r"""open\([^)]*["'][wax]b?\+?["']|os\.(replace|rename|remove|unlink)\(|"""
    r"""shutil\.(?!copyfileobj)|\.(unlink|rename|write_bytes)\("""
)
# They append to, or remove, what they wrote under names of their own.
ALLOWED = {
    "keras_rtd/data/local_copy.py",
    "keras_rtd/data/preparation.py",
    "keras_rtd/data/replacements.py",
    "keras_rtd/pretraining/run_directory.py",
    "keras_rtd/training/checkpoint_files.py",
    "keras_rtd/utils/writing.py",
    "tools/make_presets.py",
}


def test_every_writer_goes_through_the_one():
    found = {
        path.relative_to(ROOT).as_posix()
        for room in ("keras_rtd", "recipes", "tools")
        for path in (ROOT / room).rglob("*.py")
        if RAW.search(path.read_text("utf-8"))
    }
    assert found <= ALLOWED, "use keras_rtd.utils.writing"
