"""google-research/electra: TensorFlow 1 checkpoints, in both directions.

Weights, both heads and Adam's moments, so that pre-training goes on where
the reference stopped. TensorFlow is imported by `load` and `save` only;
`from_variables` and `to_variables` do without.
"""

import glob
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_rtd.interop import assembly
from keras_rtd.interop import google_config
from keras_rtd.interop import tokenizer_files
from keras_rtd.interop import weights
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import ElectraTokenizer
from keras_rtd.models.electra import conversion
from keras_rtd.models.stored_tensors import check_finite
from keras_rtd.models.stored_tensors import check_shapes
from keras_rtd.training import AdamW
from keras_rtd.training import Muon
from keras_rtd.utils import json_file
from keras_rtd.utils.targets import Kind
from keras_rtd.utils.targets import check_target
from keras_rtd.utils.targets import has_keys
from keras_rtd.utils.types import Path
from keras_rtd.utils.writing import write_json

STEP = "global_step"
SLOTS = ("adam_m", "adam_v")
CONFIG_SUFFIX = ".hparams.json"


def from_variables(
    config: dict[str, Any],
    variables: Mapping[str, np.ndarray],
    tokenizer: ElectraTokenizer | None = None,
) -> ElectraPretrainer:
    """The `ElectraPretrainer` of the reference's options and variables.

    Args:
        config: dict. Options of configure_pretraining.py; absent or `None`
            ones have the reference's default. Sizes come from the shapes of
            the variables, the number of heads from `model_hparam_overrides`
            or else max(1, hidden // 64).
        variables: dict of the reference's names to float arrays. With Adam's
            slots (`NAME/adam_m`, `NAME/adam_v`) and `global_step` among them,
            training goes on from there.
        tokenizer: `ElectraTokenizer` or `None`.

    Returns:
        `ElectraPretrainer`, compiled with the reference's optimiser.

    Raises:
        ValueError: missing names or wrong shapes (lists all), sizes that
            contradict `config`, or options of another model (BERT's).
    """
    return _pretrainer(
        google_config.resolve(config), variables, "`variables`", tokenizer
    )


def to_variables(model: Any) -> dict[str, np.ndarray]:
    """Weights under the reference's names.

    Args:
        model: `ElectraPretrainer`, or one of its components.

    Returns:
        dict of names to float32 arrays; the token table has exactly
        vocabulary_size rows.
    """
    return weights.read(model)


def load(
    prefix: Path,
    config: dict[str, Any] | Path | None = None,
    vocabulary: Path | ElectraTokenizer | None = None,
) -> keras.Model:
    """The model of a TensorFlow 1 checkpoint.

    Args:
        prefix: string. Path of the checkpoint without `.index`, or a
            directory, whose newest checkpoint is taken.
        config: dict, path of a JSON file, or `None`. The reference's options,
            as far as they differ from its defaults. Sizes are read from the
            shapes. `None` takes `PREFIX.hparams.json`, which `save` writes,
            where there is one.
        vocabulary: path of the vocabulary, or an `ElectraTokenizer`. `None`
            takes `vocab.txt` beside the checkpoint, and no tokenizer where
            there is none.

    Returns:
        `ElectraPretrainer` with Adam's moments and the step, where the
        checkpoint has them; of a checkpoint without generator, the
        `ElectraReplacedTokenDetector`, or the `ElectraBackbone` if there is
        no detection head either; without discriminator, the
        `ElectraMaskedLM`.

    Raises:
        ValueError: no checkpoint there, or one that lacks variables or has
            wrong shapes (lists all).
    """
    from keras_rtd.interop import tf_checkpoint

    prefix = tf_checkpoint.find(prefix)
    variables = tf_checkpoint.read(prefix)
    options = dict(_read_config(prefix, config) or {})
    if any(name.startswith("generator_ltr/") for name in variables):
        options.setdefault("electric_objective", True)
    options = google_config.resolve(options)
    tokenizer = _tokenizer(
        prefix, vocabulary, lowercase=options.get("do_lower_case", True)
    )
    where = f"The checkpoint {prefix}"
    found = {weights.component_of(name) for name in variables}
    has_generator = found & {"generator", "masked-token head"}
    if has_generator and found & {"discriminator", "detection head"}:
        return _pretrainer(options, variables, where, tokenizer)
    scope = "generator" if has_generator else "electra"
    backbone = ElectraBackbone(
        **google_config.encoder_arguments(
            options, _shapes(variables), scope, where
        )
    )
    model = backbone
    preprocessor = tokenizer_files.preprocessor_of(tokenizer, backbone)
    if has_generator:
        model = ElectraMaskedLM(backbone, preprocessor)
    elif "detection head" in found:
        model = ElectraReplacedTokenDetector(backbone, preprocessor)
    weights.assign(model, variables, where)
    return model


def load_tokenizer(
    prefix: Path, vocabulary: Path | ElectraTokenizer | None = None
) -> ElectraTokenizer | None:
    """The tokenizer of a checkpoint, or `None`.

    Args:
        prefix, vocabulary: as for `load`.

    Returns:
        `ElectraTokenizer`, or `None` where there is no vocabulary.
    """
    from keras_rtd.interop import tf_checkpoint

    return _tokenizer(tf_checkpoint.find(prefix), vocabulary)


def save(
    model: Any, path: Path, tokenizer: ElectraTokenizer | None = None
) -> None:
    """Write a checkpoint that google-research/electra can go on from.

    Beside the checkpoint come `checkpoint` (the state file that makes a
    directory a valid `init_checkpoint`), `vocab.txt`, and, of a pretrainer,
    `PATH.hparams.json` for `run_pretraining.py --hparams` and `load`.

    Args:
        model: `ElectraPretrainer` (with Adam's moments and the step, if its
            optimiser is ours), or one of its components.
        path: string. Path of the checkpoint, without suffix.
        tokenizer: `ElectraTokenizer` or `None` for the model's own.

    Raises:
        ValueError: an encoder that the reference would compute differently,
            or files of these names that are no checkpoint's.
    """
    from keras_rtd.interop import tf_checkpoint

    variables: dict[str, Any] = to_variables(model)
    path = pathlib.Path(path)
    tokenizer = assembly.tokenizer_of(model, tokenizer)
    _check_targets(path, tokenizer)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(model, ElectraPretrainer):
        config = google_config.describe(model)
        variables |= _read_slots(model)
        write_json(path.with_name(path.name + CONFIG_SUFFIX), config)
    elif isinstance(model, ElectraMaskedLM):
        google_config.check_generator(model.backbone)
    else:
        google_config.check_encoder(getattr(model, "backbone", model))
    variables.setdefault(STEP, np.int64(0))
    tf_checkpoint.write(str(path), variables)
    if tokenizer is not None:
        tokenizer.save(path.parent / tokenizer_files.VOCABULARY)


def _check_targets(path, tokenizer):
    """Refuse to write over what is no checkpoint, or another vocabulary."""
    from keras_rtd.interop import tf_checkpoint

    folder, index = path.parent, path.with_name(path.name + ".index")
    checkpoint = Kind("a TensorFlow checkpoint", tf_checkpoint.is_index)
    check_target(index, checkpoint)
    for found in folder.glob(f"{glob.escape(path.name)}.data-?????-of-?????"):
        check_target(found, Kind(checkpoint.name, lambda _: index.exists()))
    check_target(
        folder / "checkpoint",
        Kind(
            "a checkpoint's state file",
            lambda file: file.read_bytes().startswith(b"model_checkpoint_path"),
        ),
    )
    check_target(
        path.with_name(path.name + CONFIG_SUFFIX), Kind("options", has_keys)
    )
    if tokenizer is not None:
        tokens = "\n".join(tokenizer.vocabulary) + "\n"
        check_target(
            folder / tokenizer_files.VOCABULARY,
            Kind(
                "this model's vocabulary",
                lambda file: file.read_bytes() == tokens.encode(),
            ),
        )


def _tokenizer(prefix, vocabulary, **options):
    if vocabulary is None:
        beside = pathlib.Path(prefix).with_name(tokenizer_files.VOCABULARY)
        vocabulary = beside if beside.is_file() else None
    return tokenizer_files.tokenizer_of(vocabulary, **options)


def _shapes(variables):
    return {name: np.shape(array) for name, array in variables.items()}


def _pretrainer(options, variables, where, tokenizer):
    pretrainer = google_config.build_pretrainer(
        options, _shapes(variables), where, tokenizer
    )
    weights.assign(pretrainer, variables, where)
    _assign_slots(pretrainer, variables, where)
    return pretrainer


def _read_config(prefix, config):
    if config is None:
        config = prefix + CONFIG_SUFFIX
        if not os.path.exists(config):
            return None
    if isinstance(config, (str, os.PathLike)):
        return json_file.read_object(config)
    return config


def _assign_slots(pretrainer, variables, where):
    """Adam's moments and the step, where the source has them."""
    if not any(name.endswith(SLOTS) for name in variables):
        return
    named = weights.named_variables(pretrainer)
    rows = pretrainer.backbone.vocabulary_size
    expected = {
        f"{name}/{slot}": (rows, *v.shape[1:])
        if name == conversion.TOKEN_TABLE
        else tuple(v.shape)
        for name, v in named.items()
        for slot in SLOTS
    }
    expected[STEP] = ()
    check_shapes(expected, _shapes(variables), where)
    check_finite({name: variables[name] for name in expected}, where)
    for name, variable in named.items():
        moments = pretrainer.optimizer.moments(variable)
        for slot, moment in zip(SLOTS, moments):
            array = np.asarray(variables[f"{name}/{slot}"])
            moment.assign(weights.pad(name, array, moment.shape))
    step = int(variables[STEP])
    pretrainer.optimizer.iterations.assign(step)
    pretrainer.step.assign(step)


def _read_slots(pretrainer):
    """Adam's moments and the step, under the reference's names, where all
    weights have them."""
    optimizer = pretrainer.optimizer
    if not isinstance(optimizer, AdamW) or isinstance(optimizer, Muon):
        return {}
    slots = {STEP: np.int64(optimizer.iterations.numpy())}
    rows = pretrainer.backbone.vocabulary_size
    for name, variable in weights.named_variables(pretrainer).items():
        for slot, moment in zip(SLOTS, optimizer.moments(variable)):
            array = np.array(moment.numpy(), np.float32)
            slots[f"{name}/{slot}"] = weights.crop(name, array, rows)
    return slots
