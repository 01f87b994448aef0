"""Hugging Face Transformers: directories of all families, both ways.

`transformers` itself is not needed. What a family's directories hold, its
backbone's `huggingface` knows, a module with

- `MODEL_TYPE`, `ARCHITECTURES` (kind of model, "encoder" or a key of
  `huggingface_kinds.TASKS` -> class there), `PREFIX` of the encoder's names,
  `TOKEN_TABLE`, `TIED` and `BUFFERS` (copies and tensors that are no weights),
  `SPECIAL_IDS` (key of `config.json` -> attribute of the tokenizer),
- `arguments(config, kind)` of the encoder's class and `task_arguments(config,
  kind)` of a classifier's,
- `tensors(kind, model, found)`, the `StoredTensor`s by name, `found` being the
  names of a file that is read, and `write(kind, model)`,
  config and arrays,
- `stays_behind(model)`, why a part of a pretrainer cannot leave, or `None`.
"""

import pathlib
import warnings
from typing import Any

import keras
import numpy as np
from keras.activations import linear

from keras_rtd.interop import assembly
from keras_rtd.interop import config_types
from keras_rtd.interop import huggingface_files
from keras_rtd.interop import huggingface_kinds as kinds
from keras_rtd.interop import tokenizer_files
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import RtdBackbone
from keras_rtd.models import families
from keras_rtd.models import model_card
from keras_rtd.models import stored_tensors
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.utils.types import Path

DISCRIMINATOR, GENERATOR = "discriminator", "generator"


def load(path: Path) -> keras.Model:
    """The model of a directory.

    Args:
        path: string. A directory with `config.json`, `model.safetensors` and
            the tokenizer's files; or one with two such directories,
            `discriminator/` and `generator/`.

    Returns:
        the encoder, of its family's class, of an ElectraModel, DebertaV2Model
        or ModernBertModel; `ElectraReplacedTokenDetector` of an
        ElectraForPreTraining, or of a ModernBertForTokenClassification with
        the labels ORIGINAL and REPLACED; `ElectraMaskedLM` of a …ForMaskedLM;
        `ElectraTextClassifier` and `ElectraTokenClassifier` of a
        …ForSequenceClassification and …ForTokenClassification of DeBERTaV2
        and ModernBERT;
        `ElectraPretrainer` of two directories, the generator's embeddings
        tied to the discriminator's. Where there is no `generator/`, what
        `discriminator/` holds.

    Raises:
        ValueError: no such directory, another model, weights that are
            missing or misshapen (lists all), or weights only as a pickle.
    """
    path = pathlib.Path(path)
    if (path / DISCRIMINATOR).is_dir():
        if (path / GENERATOR).is_dir():
            return _load_pretrainer(path)
        path = path / DISCRIMINATOR
    config = huggingface_files.read_config(path)
    backbone_cls = families.of_huggingface(config.get("model_type"), path)
    kind = kinds.find(config, backbone_cls.huggingface, path)
    file = path / huggingface_files.CONFIG
    try:
        config_types.check_sizes(config, file)
        arguments = backbone_cls.huggingface.arguments(config, kind)
        if kind == "masked_lm":
            arguments["name"] = "generator"
        backbone = backbone_cls(**arguments)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: {error}") from error
    model = _model(kind, backbone, config, path)
    _assign(model, kind, huggingface_files.read_weights(path), path)
    return model


def load_tokenizer(path: Path) -> Tokenizer | None:
    """The tokenizer of a directory, or `None`.

    Args:
        path: string. A directory; `vocab.txt` alone suffices.

    Returns:
        `Tokenizer`, or `None` where there is none.
    """
    path = pathlib.Path(path)
    if (path / DISCRIMINATOR).is_dir():
        path = path / DISCRIMINATOR
    return huggingface_files.read_tokenizer(path)


def save(
    model: Any,
    path: Path,
    tokenizer: Tokenizer | None = None,
    run_dir: Path | None = None,
) -> None:
    """Write a directory that `transformers` loads, with a model card.

    An encoder or detector with a tokenizer also loads in sentence-transformers,
    as the mean over the tokens. A README.md that is not ours stays.

    Args:
        model: an encoder, `ElectraReplacedTokenDetector`, `ElectraMaskedLM`,
            or, with DeBERTaV3's or ModernBERT's layers,
            `ElectraTextClassifier` or `ElectraTokenClassifier`; or an
            `ElectraPretrainer`, which becomes `discriminator/` and
            `generator/`. A warning names a part of a pretrainer that
            `transformers` has no model for, which stays behind.
        path: string. The directory; made if absent.
        tokenizer: `keras_rtd.tokenizers.Tokenizer` or `None` for the model's
            own. Without one, no tokenizer files are written.
        run_dir: string. The run that the model comes from, for the model card.
            `None` for the folder around `path`, where that is a run's.

    Raises:
        ValueError: a model that `transformers` cannot hold, naming why; or a
            pretrainer without generator or detector.
    """
    tokenizer = assembly.tokenizer_of(model, tokenizer)
    path = pathlib.Path(path)
    if isinstance(model, ElectraPretrainer):
        models = _parts_of(model)
    else:
        models = {"": model}
    # What cannot be written shows before anything is.
    content = {name: _content(part) for name, part in models.items()}
    for name, part in models.items():
        kind, config, arrays = content[name]
        _write(part, kind, config, arrays, path / name, tokenizer)
        model_card.write(
            part,
            path / name,
            "transformers",
            huggingface_files.examples(path / name),
            run_dir or path.resolve().parent,
        )


def _parts_of(pretrainer):
    """The models of a pretrainer that can leave, by folder."""
    tasks = pretrainer.objective.tasks()
    kept = {encoder for encoder, _ in tasks.values()}
    if len(tasks) < 2 or kept != {"backbone", "generator"}:
        raise ValueError(
            "Of a pretrainer a detector and a masked language model are "
            f"saved, which the objective {pretrainer.objective.name!r} has "
            "not both: pass the pretrainer's `discriminator`, `masked_lm()` "
            "or `replaced_token_detector()`."
        )
    models = {
        DISCRIMINATOR: pretrainer.replaced_token_detector(),
        GENERATOR: pretrainer.masked_lm(),
    }
    conversion = _conversion(pretrainer.backbone)
    for name, model in list(models.items()):
        reason = conversion.stays_behind(model)
        if reason is None:
            continue
        if name == GENERATOR:
            warnings.warn(f"The generator stays behind: {reason}", stacklevel=3)
            del models[name]
        else:
            warnings.warn(
                f"The detection head stays behind: {reason}", stacklevel=3
            )
            models[name] = model.backbone
    return models


def _content(model):
    """(kind, config, arrays) of a model's directory."""
    backbone = getattr(model, "backbone", model)
    conversion = _conversion(backbone)
    kind = next(
        (name for name, cls in kinds.TASKS.items() if isinstance(model, cls)),
        "encoder",
    )
    known = conversion.ARCHITECTURES
    if kind not in known or not isinstance(
        model, (RtdBackbone, *kinds.TASKS.values())
    ):
        raise ValueError(
            f"transformers has no {type(model).__name__} with layers of the "
            f"family {backbone.family!r}. What can be saved: the encoder, "
            f"{', '.join(name for name in kinds.TASKS if name in known)}."
        )
    activation = getattr(model, "activation", None)
    if kind == "text_classifier" and activation is not linear:
        raise ValueError(
            "transformers' classifiers give logits. This one has activation="
            f"{keras.activations.serialize(activation)!r}."
        )
    config, arrays = conversion.write(kind, model)
    if kind == "encoder":
        arrays = {
            name.removeprefix(conversion.PREFIX): array
            for name, array in arrays.items()
        }
    return kind, config, arrays


def _write(model, kind, config, arrays, path, tokenizer):
    backbone = getattr(model, "backbone", model)
    conversion = _conversion(backbone)
    special = dict.fromkeys(conversion.SPECIAL_IDS)
    special["pad_token_id"] = 0
    if tokenizer is not None:
        for key, name in conversion.SPECIAL_IDS.items():
            special[key] = getattr(tokenizer, name)
    architecture = conversion.ARCHITECTURES[kind]
    config = {
        "architectures": [architecture],
        "model_type": conversion.MODEL_TYPE,
        **config,
        **special,
        **kinds.labels(model, kind, architecture),
        "dtype": "float32",
    }
    huggingface_files.write_model(path, config, arrays)
    if tokenizer is None:
        return
    length = backbone.max_sequence_length
    huggingface_files.write_tokenizer(
        tokenizer, path, length, backbone.uses_segments
    )
    if kind in ("encoder", "detector"):
        huggingface_files.write_pooling(path, backbone.hidden_dim, length)


def _load_pretrainer(path):
    detector, generator = load(path / DISCRIMINATOR), load(path / GENERATOR)
    expected = (ElectraReplacedTokenDetector, ElectraMaskedLM)
    if (type(detector), type(generator)) != expected:
        raise ValueError(
            f"{path}: {DISCRIMINATOR}/ should be a detector "
            f"(ElectraForPreTraining) and {GENERATOR}/ a masked language model "
            "(ElectraForMaskedLM)."
        )
    pretrainer, _ = assembly.join(detector, generator)
    return pretrainer


def _model(kind, backbone, config, path):
    """A model of a kind, with random weights."""
    if kind == "encoder":
        return backbone
    task = kinds.TASKS[kind]
    preprocessor = tokenizer_files.preprocessor_of(
        load_tokenizer(path), backbone, task.preprocessor_cls
    )
    arguments = {}
    if kind in kinds.CLASSIFIERS:
        names = kinds.class_names(config)
        numbered = names == [f"LABEL_{i}" for i in range(len(names))]
        arguments = {
            "num_classes": len(names),
            "class_names": None if numbered else names,
            **backbone.huggingface.task_arguments(config, kind),
        }
    return task(backbone, preprocessor=preprocessor, **arguments)


def _assign(model, kind, arrays, path):
    conversion = _conversion(getattr(model, "backbone", model))
    tensors = conversion.tensors(kind, model, arrays)
    prefix = conversion.PREFIX
    bare = not any(name.startswith(prefix) for name in arrays)
    if bare:
        tensors = {k.removeprefix(prefix): v for k, v in tensors.items()}
    stored_tensors.assign(tensors, arrays, str(path))
    table = conversion.TOKEN_TABLE
    table = table.removeprefix(prefix) if bare else table
    tied = conversion.TIED
    if tied in arrays and not np.array_equal(arrays[tied], arrays[table]):
        raise ValueError(
            f"{path} has an output table of its own ({tied}): here it is the "
            "token table."
        )
    unused = [
        name
        for name in arrays
        if name not in tensors
        and name != tied
        and not name.endswith(conversion.BUFFERS)
    ]
    if unused:
        warnings.warn(
            f"{path} has weights that this model has no place for: "
            f"{', '.join(sorted(unused))}",
            stacklevel=3,
        )


def _conversion(backbone):
    found = getattr(backbone, "huggingface", None)
    if found is None:
        raise ValueError(
            "transformers has no layers of the family "
            f"{getattr(backbone, 'family', type(backbone).__name__)!r}. Keep "
            "the model as a preset (save_to_preset)."
        )
    return found
