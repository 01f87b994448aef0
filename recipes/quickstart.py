"""First run: train a tiny ELECTRA on the text every Python carries.

    make quickstart

No download: the corpus is the help topics of `pydoc` and the docstrings of
the standard library. Some minutes of training on two cores, then held-out
sentences as the model sees them, and a SavedModel scored in a fresh process.
The words that replace others come from word frequencies at first and from the
generator more and more (`--unigram_warmup_steps`). What it reaches is in
docs/experiments.md.
"""

import dataclasses
import json
import pathlib
import subprocess
import sys

from keras_rtd import tokenizers
from keras_rtd.data import prepare_corpus
from keras_rtd.data.python_docs import write_corpus
from keras_rtd.pretraining import PretrainConfig
from keras_rtd.pretraining import main
from keras_rtd.pretraining import setting
from keras_rtd.pretraining.config import DTYPES
from keras_rtd.pretraining.samples import terminal_lines
from keras_rtd.pretraining.settings import parse_arguments

SENTENCE = "Return a list of all the with in the current directory."

COLUMNS = {
    "probe_auc": "probe auc",
    "val_generator_loss": "generator loss",
    "val_masked_lm_loss": "masked LM loss",
    "val_discriminator_auc": "discriminator auc",
}

# Loads the SavedModel where keras_rtd was never imported.
SCORE = """
import sys
import tensorflow as tf
import tensorflow_text
model = tf.saved_model.load(sys.argv[1])
outputs = model.signatures["serve"](texts=tf.constant([sys.argv[2]]))
tokens = outputs["tokens"][0].numpy()
scores = outputs["replaced_probability"][0].numpy()
for token, score in zip(tokens, scores):
    print(f"  {token.decode():>12}  {score:.3f}  {'#' * int(40 * score)}")
"""


@dataclasses.dataclass(frozen=True)
class QuickstartConfig(PretrainConfig):
    remote_run_dir = False

    preset: str = setting(
        "rtd_modern_tiny_uncased_en", "bundled preset or folder"
    )
    run_dir: str = setting("runs/quickstart", "where everything is written")
    data: tuple = setting(
        ("python_docs",), "a corpus in place of Python's texts", nargs="+"
    )
    train_steps: int = setting(500, "optimiser steps of the whole run")
    batch_size: int = setting(32, "windows a step")
    unigram_warmup_steps: int = setting(
        450, "steps until all replacements are the generator's"
    )
    dtype: str = setting(
        "auto", "dtype policy; auto: mixed_bfloat16 where it is fast", DTYPES
    )
    validation_fraction: float = setting(0.05, "share of documents held out")
    checkpoint_every: int = setting(100, "steps between checkpoints")
    eval_every: int = setting(100, "steps between evaluations")


def run(argv=None):
    config = parse_arguments(QuickstartConfig, __doc__, argv)
    folder = pathlib.Path(config.run_dir)
    if config.data == ("python_docs",):
        prepared = _prepare(folder, config)
        argv = [*(sys.argv[1:] if argv is None else argv), "--data", prepared]
    status = main(QuickstartConfig, __doc__, argv)
    if status == 0 and (folder / "finished.json").exists():
        show(folder)
    return status


def _prepare(folder, config):
    corpus = folder / "corpus" / "python_docs.txt"
    prepared = folder / "corpus" / "prepared"
    if not (prepared / "manifest.json").exists():
        count = write_corpus(corpus)
        print(f"corpus: {count} texts of this Python, in {corpus}")
        prepare_corpus(
            str(corpus),
            str(prepared),
            tokenizers.load(config.preset),
            validation_fraction=config.validation_fraction,
        )
    return str(prepared)


def show(folder):
    """Held-out sentences, the final figures, and a scored sentence."""
    samples = json.loads((folder / "samples.json").read_text("utf-8"))
    last = [s for s in samples if s["step"] == samples[-1]["step"]]
    color = sys.stdout.isatty()
    if last:
        print(
            "\nHeld-out text with words replaced by the generator: "
            "[word (original) p] was replaced, p the model's probability of "
            "it; <word p> was not, but is suspected.\n"
        )
    for sample in last[:4]:
        print(terminal_lines(sample, color=color) + "\n")
    rows = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(row) for row in rows]
    columns = {k: v for k, v in COLUMNS.items() if k in found[-1]}
    print("  ".join(["  step", *columns.values()]))
    for row in found:
        cells = (f"{row[k]:>{len(v)}.3f}" for k, v in columns.items())
        print("  ".join([f"{row['step']:>6,}", *cells]))
    if "probe_auc" in columns:
        score(folder)
    print(f"Open {folder / 'report.html'} in a browser.")


def score(folder):
    """A sentence scored by the SavedModel in a process of its own."""
    saved_model = folder / "saved_model"
    print(f"\nA fresh process loads {saved_model} and scores:\n  {SENTENCE}")
    sys.stdout.flush()
    scored = subprocess.run(
        [sys.executable, "-c", SCORE, str(saved_model), SENTENCE],
        capture_output=True,
        text=True,
    )
    # TensorFlow's start-up notices go to stderr: shown only if it failed.
    print(scored.stdout if scored.returncode == 0 else scored.stderr)
    scored.check_returncode()


if __name__ == "__main__":
    sys.exit(run())
