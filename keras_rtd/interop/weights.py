"""The weights of our models under the names of google-research/electra.

The encoder's names are its family's, `models/electra/conversion.py`; here are
those of generator, heads and pretrainer.
"""

import keras
import numpy as np

from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import ElectraTwoTowerGenerator
from keras_rtd.models import RtdBackbone
from keras_rtd.models.electra.conversion import EMBEDDINGS
from keras_rtd.models.electra.conversion import TOKEN_TABLE
from keras_rtd.models.electra.conversion import add_embeddings
from keras_rtd.models.electra.conversion import add_encoder
from keras_rtd.models.electra.conversion import add_layer
from keras_rtd.models.encoders import SEPARATE
from keras_rtd.models.stored_tensors import check_finite
from keras_rtd.models.stored_tensors import check_shapes

# Scopes of the components, as messages and tables call them.
COMPONENTS = {
    "embeddings": f"{EMBEDDINGS}/",
    "discriminator": ("electra/embeddings_project/", "electra/encoder/"),
    "detection head": "discriminator_predictions/",
    "generator": ("generator/", "generator_ltr/", "generator_rtl/"),
    "masked-token head": ("generator_predictions/", "cloze_predictions/"),
}

# Electric's towers -> attributes of `ElectraTwoTowerGenerator`.
TOWERS = {
    "generator_ltr": "left_to_right",
    "generator_rtl": "right_to_left",
}


def component_of(name):
    """The key of `COMPONENTS` that a variable's name belongs to, or `None`."""
    for component, scopes in COMPONENTS.items():
        if name.startswith(scopes):
            return component
    return None


def named_variables(model):
    """Keras variables of a model under the reference's names.

    Args:
        model: `ElectraPretrainer`, `ElectraReplacedTokenDetector`,
            `ElectraMaskedLM` or an encoder (a discriminator's).

    Returns:
        dict of string to `keras.Variable`. The token table is the padded
        one; `read` crops it.

    Raises:
        TypeError: another class.
        ValueError: an encoder of another family, or a pretrainer with heads or
            embeddings that the reference has no names for.
    """
    named: dict[str, keras.Variable] = {}
    _check_family(model)
    if isinstance(model, ElectraPretrainer):
        if model.embedding_sharing == SEPARATE:
            raise ValueError(
                "The reference has one embedding for both encoders, and these "
                "have each their own: pass the pretrainer's "
                "`replaced_token_detector()` or `masked_lm()`."
            )
        add_embeddings(named, model.backbone.embeddings)
        _add_generator(named, model)
        add_encoder(named, "electra", model.backbone)
        if model.detection_head is not None:
            _add_detection_head(named, model.detection_head)
    elif isinstance(model, ElectraReplacedTokenDetector):
        add_embeddings(named, model.backbone.embeddings)
        add_encoder(named, "electra", model.backbone)
        _add_detection_head(named, model.detection_head)
    elif isinstance(model, ElectraMaskedLM):
        add_embeddings(named, model.backbone.embeddings)
        add_encoder(named, "generator", model.backbone)
        _add_masked_lm_head(named, model.masked_lm_head)
    elif isinstance(model, RtdBackbone):
        add_embeddings(named, model.embeddings)
        add_encoder(named, "electra", model)
    else:
        raise TypeError(
            "Expected an ElectraPretrainer, ElectraReplacedTokenDetector, "
            "ElectraMaskedLM or ElectraBackbone of keras_rtd. Received: "
            f"{type(model).__name__}"
        )
    return named


def _check_family(model):
    encoder = getattr(model, "backbone", model)
    if isinstance(encoder, RtdBackbone) and "google" not in encoder.exports_to:
        raise ValueError(
            "This format holds ELECTRA's layers only; this encoder is of the "
            f"family {encoder.family!r}. Keep it as a preset (save_to_preset), "
            "write a Hugging Face directory (`interop.huggingface`), or export "
            "a SavedModel or an ONNX file."
        )


def _add_generator(named, model):
    if model.generator is not None and model.encoder_lm_head is not None:
        raise ValueError(
            "google-research/electra has no names for the heads of the "
            f"objective {model.objective.name!r}: pass the pretrainer's "
            "`discriminator`, `masked_lm()` or `replaced_token_detector()`."
        )
    if isinstance(model.generator, ElectraTwoTowerGenerator):
        for scope, tower in TOWERS.items():
            add_encoder(named, scope, getattr(model.generator, tower))
        _add_masked_lm_head(named, model.masked_lm_head, "cloze_predictions")
    elif model.generator is not None:
        add_encoder(named, "generator", model.generator)
        _add_masked_lm_head(named, model.masked_lm_head)
    else:
        # The reference's BERT has the head's name of a generator.
        _add_masked_lm_head(named, model.encoder_lm_head)


def _add_masked_lm_head(named, head, scope="generator_predictions"):
    add_layer(named, f"{scope}/dense", head.dense)
    add_layer(named, f"{scope}/LayerNorm", head.layer_norm)
    named[f"{scope}/output_bias"] = head.bias


def _add_detection_head(named, head):
    add_layer(named, "discriminator_predictions/dense", head.dense)
    add_layer(named, "discriminator_predictions/dense_1", head.logits)


def read(model):
    """Copies of a model's weights, without the padding rows.

    Returns:
        dict of the reference's names to float32 arrays.
    """
    rows = _embeddings(model).vocabulary_size
    return {
        name: crop(name, np.array(variable.numpy(), np.float32), rows)
        for name, variable in named_variables(model).items()
    }


def assign(model, arrays, where):
    """Write arrays under the reference's names into a model.

    Args:
        model: see `named_variables`.
        arrays: dict of names to arrays; more than needed is no error.
        where: string. Names the source in messages.

    Raises:
        ValueError: names that are missing and shapes that differ, all of
            them, or NaN or infinite numbers. Nothing is written then.
    """
    rows = _embeddings(model).vocabulary_size
    variables = named_variables(model)
    shapes = {
        name: (rows, *v.shape[1:]) if name == TOKEN_TABLE else tuple(v.shape)
        for name, v in variables.items()
    }
    check_shapes(shapes, arrays, where)
    check_finite({name: arrays[name] for name in variables}, where)
    for name, variable in variables.items():
        variable.assign(pad(name, np.asarray(arrays[name]), variable.shape))


def crop(name, array, vocabulary_size):
    """The token table, or its Adam slot, without its padding rows."""
    if name.startswith(TOKEN_TABLE):
        return array[:vocabulary_size]
    return array


def pad(name, array, shape):
    """The inverse of `crop`; new rows are zeros."""
    if not name.startswith(TOKEN_TABLE):
        return array
    extra = shape[0] - array.shape[0]
    return np.pad(array, ((0, extra), (0, 0)))


def _embeddings(model):
    backbone = getattr(model, "backbone", model)
    return backbone.embeddings
