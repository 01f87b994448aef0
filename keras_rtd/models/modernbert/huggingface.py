"""ModernBERT as directories of `transformers`.

See `keras_rtd.interop.huggingface`, which asks for the names here.
"""

from keras_rtd.models import stored_tensors
from keras_rtd.models.modernbert import conversion
from keras_rtd.models.modernbert import extra_layer
from keras_rtd.models.stored_tensors import kernel
from keras_rtd.models.stored_tensors import plain

MODEL_TYPE = "modernbert"
ARCHITECTURES = {
    "encoder": "ModernBertModel",
    "masked_lm": "ModernBertForMaskedLM",
    "detector": "ModernBertForTokenClassification",
    "text_classifier": "ModernBertForSequenceClassification",
    "token_classifier": "ModernBertForTokenClassification",
}
SPECIAL_IDS = {
    "pad_token_id": "pad_token_id",
    "cls_token_id": "cls_token_id",
    "sep_token_id": "sep_token_id",
    "bos_token_id": "cls_token_id",
    "eos_token_id": "sep_token_id",
}
PREFIX = "model."
TOKEN_TABLE = PREFIX + conversion.TOKEN_TABLE
# A tied copy of the token table.
TIED = "decoder.weight"
# Ends of names of tensors that are no weights.
BUFFERS: tuple[str, ...] = ("inv_freq",)


def arguments(config, kind):
    """Arguments of the encoder's class.

    Args:
        config: dict, `config.json`.
        kind: a key of `ARCHITECTURES`.

    Raises:
        ValueError: options that there are not here.
    """
    found = conversion.arguments(config)
    activation = config.get("classifier_activation", "gelu")
    if kind != "encoder" and (
        conversion.ACTIVATIONS.get(activation) != found["activation"]
    ):
        raise ValueError(
            f"classifier_activation={activation!r} is another than the "
            "encoder's; keras_rtd has one for both."
        )
    return found


def task_arguments(config, kind):
    """Arguments of a classifier, beside those of its classes."""
    found = {"dropout": config.get("classifier_dropout", 0.0)}
    if kind == "text_classifier":
        found["pooling"] = config.get("classifier_pooling", "cls")
    return found


def tensors(kind, model, found=()):
    """The weights of a model as its file has them.

    Args:
        kind: a key of `ARCHITECTURES`.
        model: the encoder, or a task that has one.
        found: the names of a file that is read; there is one spelling here.

    Returns:
        dict of names to `StoredTensor`, the encoder's with `PREFIX`.

    Raises:
        ValueError: an encoder that `ModernBertModel` cannot hold.
    """
    backbone = getattr(model, "backbone", model)
    conversion.check(backbone)
    named = {
        PREFIX + name: tensor
        for name, tensor in conversion.tensors(backbone).items()
    }
    if kind == "masked_lm":
        head = model.masked_lm_head
        return {
            **named,
            **_prediction_head(head),
            "decoder.bias": plain(head.bias, optional=True),
        }
    if kind == "detector":
        head = model.detection_head
        return {
            **named,
            **_prediction_head(head),
            "classifier.weight": stored_tensors.second_of_two(
                head.logits.kernel
            ),
            "classifier.bias": stored_tensors.second_of_two(head.logits.bias),
        }
    if kind in ("text_classifier", "token_classifier"):
        return {
            **named,
            **_prediction_head(model.prediction_head),
            "classifier.weight": kernel(model.output_dense.kernel),
            "classifier.bias": plain(model.output_dense.bias),
        }
    return named


def _prediction_head(head):
    return {
        "head.dense.weight": kernel(head.dense.kernel),
        "head.dense.bias": plain(head.dense.bias, optional=True),
        "head.norm.weight": plain(head.layer_norm.gamma),
    }


def write(kind, model):
    """What a directory of a model holds.

    Args:
        kind: a key of `ARCHITECTURES`.
        model: the encoder, or a task that has one.

    Returns:
        (dict of `config.json`, dict of names to arrays with `PREFIX`).

    Raises:
        ValueError: naming what `transformers` cannot hold.
    """
    backbone = getattr(model, "backbone", model)
    if kind == "encoder" and extra_layer.applies(backbone):
        return extra_layer.write(backbone, PREFIX)
    arrays = stored_tensors.read(tensors(kind, model))
    config = conversion.config(backbone)
    config["classifier_bias"] = "head.dense.bias" in arrays
    if kind in ("text_classifier", "token_classifier"):
        config["classifier_dropout"] = model.dropout
    if kind == "text_classifier":
        config["classifier_pooling"] = model.pooling
    config["decoder_bias"] = kind != "masked_lm" or "decoder.bias" in arrays
    return config, arrays


def stays_behind(model):
    """Why a part of a pretrainer cannot leave, or `None`.

    Args:
        model: a task of the pretrainer.
    """
    try:
        conversion.check(model.backbone)
    except ValueError as error:
        return str(error)
    return None
