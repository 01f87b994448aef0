"""Train a first model on the text that every Python installation contains.

    make quickstart

No download: the corpus is the help topics of `pydoc` and the docstrings of the
standard library. It trains for a few minutes on two cores, then prints held-out
sentences with the model's probabilities and scores a sentence with the
SavedModel in a new process. In the first steps, replacements are sampled from
word frequencies, and step by step more of them from the generator
(`--unigram_warmup_steps`). docs/experiments/2026/quickstart.md has its scores.
"""

import dataclasses
import json
import pathlib
import subprocess
import sys

from keras_rtd import tokenizers
from keras_rtd.data import prepare_corpus
from keras_rtd.data.python_docs import write_corpus
from keras_rtd.pretraining import resolve
from keras_rtd.pretraining.resolution import OLD
from keras_rtd.pretraining.run import run_everywhere
from keras_rtd.pretraining.run import run_safely
from keras_rtd.pretraining.run_directory import local_folder
from keras_rtd.pretraining.samples import terminal_lines
from keras_rtd.pretraining.settings import flags
from keras_rtd.utils.command_line import parse

SENTENCE = "Return a list of all the with in the current directory."

# In place of a corpus: the texts of this Python.
PYTHON_DOCS = "python_docs"

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


DEFAULTS = {
    "preset": "rtd_modern_tiny_uncased_en",
    "run_dir": "runs/quickstart",
    "data": (PYTHON_DOCS,),
    "train_steps": 500,
    "batch_size": 32,
    "unigram_warmup_steps": 450,
    "validation_fraction": 0.05,
    "checkpoint_every": 100,
    "eval_every": 100,
}


def train(argv=None):
    """Train as the command line says, then show what came of it."""
    settings = resolve(
        DEFAULTS, None, parse(flags(), __doc__, DEFAULTS, argv, OLD)
    )
    folder = pathlib.Path(local_folder(settings.run.run_dir))
    if settings.data.data == (PYTHON_DOCS,):
        data = dataclasses.replace(
            settings.data, data=(prepare(folder, settings),)
        )
        settings = dataclasses.replace(settings, data=data)
    status = run_everywhere(settings)
    if not status and (folder / "finished.json").exists():
        show(folder)
    return status


def prepare(folder, settings):
    """Where Python's own texts are, as prepared data."""
    corpus = folder / "corpus" / "python_docs.txt"
    prepared = folder / "corpus" / "prepared"
    if not (prepared / "manifest.json").exists():
        count = write_corpus(corpus)
        print(f"corpus: {count} texts of this Python, in {corpus}")
        prepare_corpus(
            str(corpus),
            str(prepared),
            tokenizers.load(settings.model.preset),
            validation_fraction=settings.data.validation_fraction,
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
    sys.exit(run_safely(train))
