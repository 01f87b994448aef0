"""microsoft/DeBERTa: generator and discriminator files, both ways.

Neither Microsoft's code nor, but for a `.bin`, PyTorch is needed. A released
model and a training run are read as they are:

    DIR/pytorch_model.bin, DIR/pytorch_model.generator.bin, DIR/config.json
    DIR/discriminator/*.bin, DIR/generator/*.bin, each with model_config.json

and what `save` writes, the second with `model.safetensors`. Each file may be a
safetensors file or a NumPy archive (`.npz`) of the same names instead.
"""

import pathlib
import re
import sys
import warnings
from typing import Any

from keras import ops

from keras_rtd.interop import deberta_files
from keras_rtd.interop import deberta_tensors
from keras_rtd.interop import huggingface
from keras_rtd.interop import tokenizer_files
from keras_rtd.interop.assembly import tokenizer_of
from keras_rtd.models import DebertaV3Backbone
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import stored_tensors
from keras_rtd.models.deberta_v3 import conversion
from keras_rtd.models.deberta_v3.layers import DebertaV3Embedding
from keras_rtd.models.encoders import DISENTANGLED
from keras_rtd.models.weight_copies import copy_own_weights
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.utils.types import Path

TABLE = deberta_tensors.ENCODER + conversion.TOKEN_TABLE
DELTA = deberta_tensors.ENCODER + deberta_tensors.DELTA
POSITIONS = deberta_tensors.ENCODER + conversion.POSITION_TABLE


def load(path: Path) -> Any:
    """The model of a directory of Microsoft's files.

    Args:
        path: string. The directory; see above. A `.bin` is opened with
            `torch.load(..., weights_only=True)`, which runs nothing.

    Returns:
        `ElectraPretrainer` of both networks, with gradient-disentangled
        embeddings; `ElectraReplacedTokenDetector` of a discriminator alone;
        `ElectraMaskedLM` of a generator alone. A discriminator without
        `_weight` gets the difference of the two tables, and a note on stderr
        says so.

    Raises:
        ValueError: no such directory, options that `DebertaV3Backbone` has
            not, or weights that are missing or misshapen (lists all).
    """
    found = deberta_files.find(path)
    networks = {name: deberta_files.read(file) for name, file in found.items()}
    configs = {
        name: deberta_files.config(path, name, networks[name], found[name])
        for name in networks
    }
    tokenizer = load_tokenizer(path)
    generator = discriminator = None
    if "generator" in networks:
        generator = _generator(configs["generator"], tokenizer)
        _assign(
            deberta_tensors.generator_tensors(generator),
            networks["generator"],
            found["generator"],
        )
    if "discriminator" in networks:
        discriminator = _discriminator(
            configs["discriminator"],
            networks["discriminator"],
            found["discriminator"],
            generator,
            tokenizer,
        )
    if discriminator is None:
        return generator
    if generator is None:
        return discriminator
    return join(discriminator, generator)


def load_tokenizer(path: Path) -> Tokenizer | None:
    """The tokenizer of a directory, or `None` where it has none.

    Args:
        path: as for `load`.

    Returns:
        `Tokenizer` or `None`.
    """
    return huggingface.load_tokenizer(path)


def load_pretrainer(path: Path) -> ElectraPretrainer:
    """As `load`, completed with a randomly initialised generator where there
    is none; a note on stderr says so.

    Args:
        path: as for `load`.

    Returns:
        `ElectraPretrainer`.

    Raises:
        ValueError: as `load`, and a directory without a discriminator.
    """
    model = load(path)
    if isinstance(model, ElectraMaskedLM):
        raise ValueError(f"{path} has no discriminator.")
    return model if isinstance(model, ElectraPretrainer) else join(model)


def join(
    discriminator: ElectraReplacedTokenDetector,
    generator: ElectraMaskedLM | None = None,
) -> ElectraPretrainer:
    """A pretrainer with the weights of both and disentangled embeddings.

    Args:
        discriminator: with a `DebertaV3Backbone`.
        generator: `ElectraMaskedLM` or `None` for the reference's size, as
            wide and half as deep, initialised randomly but for the token
            table, which is the discriminator's. Defaults to `None`.

    Returns:
        `ElectraPretrainer` whose discriminator computes the same: what its
        embedding adds to the generator's table is the difference.
    """
    backbone = discriminator.backbone
    if generator is None:
        config = backbone.generator_config(backbone.get_config())
        config |= {**backbone.generator_arguments, "name": "generator"}
        generator = ElectraMaskedLM(DebertaV3Backbone.from_config(config))
        generator.backbone.embeddings.assign_tables(_tables(backbone))
        _note(
            "no generator: one of half the layers is initialised randomly, "
            "but for its token table, which is the discriminator's"
        )
    base = generator.backbone.embeddings
    config = {**base.get_config(), "dropout": backbone.dropout}
    own = DebertaV3Embedding(**config, base=base)
    encoder = DebertaV3Backbone.from_config(
        {**backbone.get_config(), "embeddings": own}
    )
    pretrainer = ElectraPretrainer(
        encoder,
        generator.backbone,
        preprocessor=discriminator.preprocessor,
        embedding_sharing=DISENTANGLED,
    )
    own.assign_tables(_tables(backbone))
    copy_own_weights(backbone, encoder)
    copy_own_weights(discriminator.detection_head, pretrainer.detection_head)
    copy_own_weights(generator.masked_lm_head, pretrainer.masked_lm_head)
    return pretrainer


def save(model: Any, path: Path, tokenizer: Tokenizer | None = None) -> None:
    """Write a directory of Microsoft's files, as safetensors.

    Args:
        model: `ElectraPretrainer`, `ElectraReplacedTokenDetector` or
            `ElectraMaskedLM` with encoders of the family deberta_v3.
        path: string. The directory; made if absent. It gets `discriminator/`
            and `generator/`, those that there are, each with
            `model.safetensors`, `model_config.json` and `tokenizer.json`, and
            `spm.model` where SentencePiece gives the same ids; a note on
            stderr says why not.
        tokenizer: `Tokenizer` or `None` for the model's own.

    Raises:
        ValueError: another model, or files of others there.
    """
    tokenizer = tokenizer_of(model, tokenizer)
    kinds = (ElectraPretrainer, ElectraReplacedTokenDetector, ElectraMaskedLM)
    heads = [
        name
        for name in ("masked_lm_head", "detection_head")
        if getattr(model, name, None) is not None
    ]
    if not isinstance(model, kinds) or not heads:
        raise ValueError(
            "Microsoft's files hold an ElectraPretrainer, an "
            "ElectraReplacedTokenDetector or an ElectraMaskedLM. Received: "
            f"{type(model).__name__}"
        )
    _check(model.backbone)
    content: dict[str, tuple[Any, dict[str, Any]]] = {}
    if "masked_lm_head" in heads:
        tensors = deberta_tensors.generator_tensors(model)
        content["generator"] = (
            getattr(model, "generator", model.backbone),
            stored_tensors.read(tensors),
        )
    if "detection_head" in heads:
        base = content["generator"][1] if content else None
        content["discriminator"] = (
            model.backbone,
            _of_discriminator(model, base),
        )
    spm = None
    if tokenizer is not None:
        try:
            spm = deberta_files.sentencepiece(tokenizer)
        except ValueError as reason:
            _note(f"no spm.model is written for this tokenizer: {reason}")
    for name, (backbone, arrays) in content.items():
        deberta_files.write(
            pathlib.Path(path) / name,
            {
                **conversion.config(backbone),
                "attention_head_size": backbone.hidden_dim
                // backbone.num_heads,
                "embedding_sharing": "gdes",
                "padding_idx": 0,
            },
            arrays,
            tokenizer,
            spm,
        )


def _of_discriminator(model, base):
    """Arrays of a discriminator: of each table `weight` and, where there are
    the generator's arrays `base`, `_weight`."""
    arrays = stored_tensors.read(deberta_tensors.discriminator_tensors(model))
    arrays.pop(DELTA, None)
    tables = _tables(model.backbone)
    arrays[TABLE] = tables[0][: model.backbone.vocabulary_size]
    if model.backbone.absolute_positions:
        arrays[POSITIONS] = tables[1]
    for name in (TABLE, POSITIONS):
        if base is not None and name in base:
            # Only the generator's decoder reads positions.
            total = arrays.setdefault(name, base[name])
            arrays[_own(name)] = total - base[name]
    return arrays


def _own(name):
    """The name of what a discriminator adds to the generator's table."""
    return name.replace(".weight", "._weight")


def _check(backbone):
    if not isinstance(backbone, DebertaV3Backbone):
        raise ValueError(
            "Microsoft's files hold encoders of the family deberta_v3. This "
            f"one is a {type(backbone).__name__}."
        )


def _generator(config, tokenizer):
    backbone = DebertaV3Backbone(
        **config, enhanced_mask_decoder=True, name="generator"
    )
    preprocessor = tokenizer_files.preprocessor_of(tokenizer, backbone)
    return ElectraMaskedLM(backbone, preprocessor)


def _discriminator(config, arrays, where, generator, tokenizer):
    backbone = DebertaV3Backbone(**config)
    preprocessor = tokenizer_files.preprocessor_of(tokenizer, backbone)
    detector = ElectraReplacedTokenDetector(backbone, preprocessor)
    arrays = dict(arrays)
    tables = [TABLE]
    if backbone.absolute_positions:
        tables.append(POSITIONS)
    for name in tables:
        delta = _own(name)
        if delta not in arrays:
            if generator is not None:
                _note(
                    f"{where} has no {delta}: the discriminator's own part is "
                    "its table less the generator's"
                )
        elif generator is not None:
            # `weight` lacks the last update.
            tensors = deberta_tensors.generator_tensors(generator)
            arrays[name] = tensors[name].array() + arrays[delta]
        elif name not in arrays:
            raise ValueError(
                f"{where} holds {delta}, which is added to the generator's "
                "table, and there is no generator."
            )
    _assign(deberta_tensors.discriminator_tensors(detector), arrays, where)
    return detector


def _assign(tensors, arrays, where):
    stored_tensors.assign(tensors, arrays, str(where))
    unused = sorted(
        name
        for name in arrays
        if name.replace("._weight", ".weight") not in tensors
        and not re.search(r"position_(embeddings|ids)|lm_predictions", name)
    )
    if unused:
        warnings.warn(
            f"{where} has weights that this model has no place for: "
            f"{', '.join(unused)}",
            stacklevel=4,
        )


def _tables(backbone):
    return [ops.convert_to_numpy(t) for t in backbone.embeddings.tables()]


def _note(text):
    print(f"note: {text}", file=sys.stderr, flush=True)
