"""Checks released models of other libraries, once, with a network.

    python tools/check_released.py [NAME ...] [--from DIR]

For each model: downloads it, compares token ids and the encoder's vectors with
those of `transformers`, runs ten steps of replaced token detection, and prints
a verdict. `--from DIR` reads DIR/NAME in place of the Hub. Weights that are
only a pickle are read by `transformers`, which refuses all but tensors, and
kept as safetensors for the time of the check. Run it on a CPU: accelerators
may multiply float32 with fewer bits.
"""

import argparse
import math
import pathlib
import sys
import tempfile

import numpy as np
import torch
import transformers

from keras_rtd.data import pretraining_dataset
from keras_rtd.data.python_docs import write_corpus
from keras_rtd.interop import huggingface
from keras_rtd.models import ElectraPretrainer

# Name here -> repositories: the encoder's, and the generator's where released.
MODELS = {
    "google/electra-small": (
        "google/electra-small-discriminator",
        "google/electra-small-generator",
    ),
    "microsoft/deberta-v3-xsmall": ("microsoft/deberta-v3-xsmall",),
    "microsoft/deberta-v3-small": ("microsoft/deberta-v3-small",),
    "answerdotai/ModernBERT-base": ("answerdotai/ModernBERT-base",),
}
FOLDERS = (huggingface.DISCRIMINATOR, huggingface.GENERATOR)
FILES = ("*.json", "*.txt", "*.safetensors", "spm.model")
PICKLE = "pytorch_model.bin"
TEXTS = (
    "The quick brown fox jumps over the lazy dog.",
    "Encoders, pre-trained in 2020, cost 1,000 times less today!",
    "naïve café",
)
# Of the largest value: float32 sums in another order.
TOLERANCE = 1e-4


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--from", dest="source", help="folder of the models")
    parser.add_argument("--data", help="default: Python's documentation")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--sequence_length", type=int, default=64)
    arguments = parser.parse_args(argv)
    unknown = [n for n in arguments.names if n not in MODELS]
    if unknown:
        parser.error(f"unknown {unknown[0]}. Known: {', '.join(MODELS)}")
    failed = []
    for name in arguments.names or MODELS:
        print(f"{name}:", flush=True)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                wrong = check(name, pathlib.Path(scratch), arguments)
        # One model's failure, of whatever kind, hides none of the others.
        except Exception as e:
            wrong = [f"{type(e).__name__}: {e}"]
        for line in wrong:
            print(f"  WRONG: {line}")
        failed += [name] if wrong else []
    print(f"verdict: {'not ' if failed else ''}all equal and trainable")
    if failed:
        print(f"wrong: {', '.join(failed)}")
    return int(bool(failed))


def check(name, scratch, arguments):
    """What is wrong with a model, a list of lines; prints what is measured."""
    wrong = []
    released = scratch / "released"
    released.mkdir()
    for repository, part in zip(MODELS[name], FOLDERS):
        if arguments.source is None:
            folder = download(repository)
        else:
            folder = pathlib.Path(arguments.source, repository).resolve()
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no {folder}")
        folder = with_safetensors(folder, scratch / f"{part}-safetensors")
        (released / part).symlink_to(folder)
        wrong += compare(released / part, part)
    return wrong + train(released, scratch, arguments)


def download(repository):
    """The folder of a repository of the Hub, a pickle only if it must be."""
    from huggingface_hub import snapshot_download

    folder = snapshot_download(repository, allow_patterns=FILES)
    if not list(pathlib.Path(folder).glob("*.safetensors")):
        folder = snapshot_download(repository, allow_patterns=(*FILES, PICKLE))
    return pathlib.Path(folder)


def with_safetensors(folder, copy):
    """The folder, or a copy with safetensors in the pickle's place."""
    if list(folder.glob("*.safetensors")):
        return folder
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = (config.architectures or ["AutoModel"])[0]
    model = getattr(transformers, kind).from_pretrained(folder, dtype="float32")
    model.save_pretrained(copy)
    for path in folder.iterdir():
        if path.name != PICKLE and not (copy / path.name).exists():
            (copy / path.name).symlink_to(path.resolve())
    return copy


def compare(folder, part):
    """Token ids and vectors, here and in `transformers`."""
    wrong = []
    there = transformers.AutoTokenizer.from_pretrained(folder)
    here = huggingface.load_tokenizer(folder)
    for text, ids in zip(TEXTS, here.encode_batch(list(TEXTS))):
        expected = there(text, add_special_tokens=False)["input_ids"]
        if list(ids) != expected:
            found = f"{list(ids)}, not {expected}"
            wrong.append(f"{part}: token ids of {text!r}: {found}")
    theirs = transformers.AutoModel.from_pretrained(folder, dtype="float32")
    ours = huggingface.load(folder)
    ours = getattr(ours, "backbone", ours)
    shape = (2, 48)
    ids = np.random.default_rng(0).integers(5, here.vocabulary_size(), shape)
    mask = np.ones(shape, "int32")
    mask[1, 32:] = 0
    with torch.no_grad():
        expected = (
            theirs.eval()(
                input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)
            )
            .last_hidden_state.cpu()
            .numpy()
        )
    found = ours.predict_on_batch(
        {
            "token_ids": ids.astype("int32"),
            "segment_ids": np.zeros(shape, "int32"),
            "padding_mask": mask,
        }
    )["sequence_output"]
    kept = mask.astype(bool)
    largest = np.abs(expected[kept]).max()
    error = np.abs(np.asarray(found)[kept] - expected[kept]).max() / largest
    print(f"  {part}: vectors differ by {error:.1e} of the largest value")
    # Written so that NaN is wrong too.
    if not error <= TOLERANCE:
        wrong.append(f"{part}: vectors differ by more than {TOLERANCE}")
    return wrong


def train(released, scratch, arguments):
    """Some steps of replaced token detection."""
    parts = [part for part in FOLDERS if (released / part).is_dir()]
    folder = released if len(parts) > 1 else released / parts[0]
    steps = arguments.steps
    pretrainer = ElectraPretrainer.from_preset(
        f"hf:{folder}",
        optimizer_config={
            "learning_rate": 1e-4,
            "warmup_steps": 1,
            "train_steps": steps,
        },
    )
    corpus = arguments.data or str(scratch / "corpus.txt")
    if arguments.data is None:
        write_corpus(corpus)
    dataset = pretraining_dataset(
        corpus,
        tokenizer=pretrainer.tokenizer,
        sequence_length=arguments.sequence_length,
        batch_size=8,
        shuffle_buffer=64,
    )
    history = pretrainer.fit(
        dataset, steps_per_epoch=1, epochs=steps, verbose=0
    ).history
    losses = history["loss"]
    size = pretrainer.backbone.vocabulary_size
    print(
        f"  {steps} steps: loss {losses[0]:.2f} to {losses[-1]:.2f}; the "
        f"generator's first is {history['generator_loss'][0]:.2f}, and "
        f"{math.log(size):.2f} is that of equal chances"
    )
    if not all(map(math.isfinite, losses)):
        return [f"training: losses {losses}"]
    return []


if __name__ == "__main__":
    sys.exit(main())
