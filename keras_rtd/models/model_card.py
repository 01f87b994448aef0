"""The model card: README.md with the YAML header that Hugging Face reads."""

import json
import os
import pathlib
import re
from typing import Any

import yaml

from keras_rtd.utils.settings import ENVIRONMENT
from keras_rtd.utils.targets import CARD
from keras_rtd.utils.targets import CARD_MARK
from keras_rtd.utils.targets import has_keys
from keras_rtd.utils.targets import is_card
from keras_rtd.utils.writing import write_text

ELECTRA = """\
@inproceedings{clark2020electra,
  title = {{ELECTRA}: Pre-training Text Encoders as Discriminators Rather Than
    Generators},
  author = {Clark, Kevin and Luong, Minh-Thang and Le, Quoc V. and
    Manning, Christopher D.},
  booktitle = {International Conference on Learning Representations},
  year = {2020},
  url = {https://arxiv.org/abs/2003.10555}
}"""

# Of a path that is not relative, also in `hf:PATH` and `NAME=PATH`.
_FOLDERS = re.compile(r"(^|[:=])(?:/|~|\.\./)[^:=]*/")
# Settings that say nothing of the model, or are written elsewhere.
LEFT_OUT = ("data", "run_dir", "profile", "tpu")
TO_FILL_IN = """\
# Yours to fill in, see https://huggingface.co/docs/hub/model-cards
# license: apache-2.0
# language: en
"""
LICENCE = """\
## Licence

Not stated. Whoever publishes the model chooses one that the licences of the
training data allow, and adds it to the header as `license`."""
UNKNOWN = (
    "No run directory was found beside this folder. Write here which texts "
    "the model was trained on."
)


def write(
    model: Any,
    directory: Any,
    library: str,
    examples: dict[str, str],
    run_dir: Any = None,
    scores: dict[str, Any] | None = None,
) -> None:
    """Write a directory's README.md, unless there is one of the user's.

    Args:
        model: an encoder, task or pretrainer.
        directory: string or path, an existing folder.
        library: string, `library_name` of the header.
        examples: dict of a library's name to the Python code that loads the
            directory, run inside it.
        run_dir: string or path of the run that the model comes from. Ignored
            where it is no run directory. Defaults to the folder around
            `directory`.
        scores: dict of metric to value, or `None` for the run's last ones.
    """
    directory = pathlib.Path(directory).resolve()
    path = directory / CARD
    if os.path.lexists(path) and not is_card(path):
        return
    config, found = _read_run(pathlib.Path(run_dir or directory.parent))
    header = {"library_name": library, "tags": _tags(model)}
    if model.pipeline_tag:
        header["pipeline_tag"] = model.pipeline_tag
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=False)}{TO_FILL_IN}---",
        CARD_MARK,
        f"# {type(model).__name__}",
        _description(model),
        *_training(config, scores or found),
        "## Loading\n\nRun the code in this folder, or write the folder's path "
        'for `"."`.',
        *(
            f"With {name}:\n\n```python\n{code}\n```"
            for name, code in examples.items()
        ),
        LICENCE,
        "## Citation\n\n```bibtex\n" + "\n\n".join(_citations(model)) + "\n```",
    ]
    write_text(path, "\n\n".join(parts) + "\n")


def write_for_preset(
    model: Any, directory: Any, scores: dict[str, Any] | None = None
) -> None:
    """Write the README.md of a preset; arguments as for `write`."""
    cls = type(model)
    if cls.__module__.startswith("keras_rtd."):
        first, name = "import keras_rtd", f"keras_rtd.models.{cls.__name__}"
    else:
        first = f"from {cls.__module__} import {cls.__name__}"
        name = cls.__name__
    examples = {
        "keras_rtd": f'{first}\n\nmodel = {name}.from_preset(".")',
        "KerasHub, the encoder alone": (
            "import keras_hub\n"
            # The classes are registered by their import.
            f"{first}  # KerasHub finds the classes only after this.\n\n"
            'encoder = keras_hub.models.Backbone.from_preset(".")'
        ),
    }
    write(model, directory, "keras-hub", examples, scores=scores)


def _tags(model):
    backbone = getattr(model, "backbone", model)
    family = (backbone.family or type(backbone).__name__).replace("_", "-")
    return list(
        dict.fromkeys(("keras-rtd", "replaced-token-detection", family))
    )


def _description(model):
    backbone = getattr(model, "backbone", model)
    text = (
        f"A text encoder of the family `{backbone.family}`: "
        f"{backbone.num_layers} layers, {backbone.hidden_dim} wide, "
        f"{backbone.num_heads} heads, {backbone.vocabulary_size:,} tokens, "
        f"{backbone.count_params():,} parameters"
    )
    objective = getattr(model, "objective", None)
    if objective is not None:
        text += f"; with the parts that the objective `{objective.name}` trains"
    elif backbone is not model:
        text += f"; as {type(model).__name__}, with its head"
    return text + ". Written by keras_rtd."


def _citations(model):
    backbone = getattr(model, "backbone", model)
    return [c for c in (ELECTRA, backbone.citation) if c]


def _read_run(folder):
    """(settings by group, scores) of a run directory; empty without one."""
    config = folder / "config.json"
    if not has_keys(config, ENVIRONMENT):
        return {}, {}
    groups = json.loads(config.read_text("utf-8")).items()
    settings = {name: g for name, g in groups if isinstance(g, dict)}
    # A fine-tuning has its metrics by seed, and what is best of them here.
    for name in ("metrics.jsonl", "best.json"):
        path = folder / name
        if not path.is_file():
            continue
        text = path.read_text("utf-8")
        lines = text.splitlines() if path.suffix == ".jsonl" else [text]
        for line in reversed(lines):
            try:
                return settings, json.loads(line)
            except json.JSONDecodeError:
                continue  # the line a kill cut short
    return settings, {}


def _training(config, scores):
    """The parts that tell of the run."""
    # The task of a fine-tuning, then what was read.
    task = config.get(ENVIRONMENT, {}).get("task")
    data = config.get("data", {}).get("data")
    sources = [task, *(data if isinstance(data, list) else [data])]
    sources = [source for source in sources if source]
    if not sources:
        yield f"## Training data\n\n{UNKNOWN}"
    else:
        lines = [f"- `{_public(str(source))}`" for source in sources]
        yield "## Training data\n\n" + "\n".join(lines)
    settings = {
        name: value
        for group, values in config.items()
        if group != ENVIRONMENT
        for name, value in values.items()
        if value is not None and name not in LEFT_OUT
    }
    if settings:
        yield "## Settings of the run\n\n" + _table("Setting", settings)
    held_out = ("val_", "probe_", "step", "tokens")
    if any(name.startswith("val_") for name in scores):
        scores = {n: v for n, v in scores.items() if n.startswith(held_out)}
        scores.pop("tokens_per_second", None)
    if scores:
        yield (
            "## Scores\n\nOf the run's evaluation; `val_` is measured on "
            "texts that were held out.\n\n" + _table("Metric", scores)
        )


def _table(title, values):
    rows = [f"| {name} | {_cell(value)} |" for name, value in values.items()]
    return "\n".join([f"| {title} | Value |", "|---|---|", *rows])


def _cell(value):
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    text = json.dumps(value) if isinstance(value, dict) else str(value)
    if isinstance(value, str):
        text = _public(value)
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def _public(source):
    """A path or address without what is the author's alone: the folders of
    the machine, a password."""
    if "://" in source:
        scheme, _, rest = source.partition("://")
        host, slash, path = rest.partition("?")[0].partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    return _FOLDERS.sub(r"\1", source.rstrip("/"))
