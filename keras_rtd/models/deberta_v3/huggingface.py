"""DeBERTaV3 as directories of `transformers`.

See `keras_rtd.interop.huggingface`, which asks for the names here.
"""

from keras_rtd.models import stored_tensors
from keras_rtd.models.deberta_v3 import conversion
from keras_rtd.models.deberta_v3.conversion import add_dense
from keras_rtd.models.deberta_v3.conversion import add_norm
from keras_rtd.models.stored_tensors import plain

MODEL_TYPE = "deberta-v2"
ARCHITECTURES = {
    "encoder": "DebertaV2Model",
    "masked_lm": "DebertaV2ForMaskedLM",
    "text_classifier": "DebertaV2ForSequenceClassification",
    "token_classifier": "DebertaV2ForTokenClassification",
}
SPECIAL_IDS = {"pad_token_id": "pad_token_id"}
PREFIX = "deberta."
TOKEN_TABLE = PREFIX + conversion.TOKEN_TABLE
# A tied copy of the token table.
TIED = "cls.predictions.decoder.weight"
# A tied copy of the bias, and what transformers does not read: the generator's
# absolute positions, Microsoft's detection head.
BUFFERS = (
    "position_ids",
    "position_embeddings.weight",
    "predictions.decoder.bias",
)

# The masked LM head's names: dense, LayerNorm, bias. transformers has two, by
# the option `legacy`.
LEGACY = (
    "cls.predictions.transform.dense",
    "cls.predictions.transform.LayerNorm",
    "cls.predictions.bias",
)
NOT_LEGACY = (
    "lm_predictions.lm_head.dense",
    "lm_predictions.lm_head.LayerNorm",
    "lm_predictions.lm_head.bias",
)


def arguments(config, kind):
    """Arguments of the encoder's class.

    Args:
        config: dict, `config.json`.
        kind: a key of `ARCHITECTURES`.

    Raises:
        ValueError: options that there are not here.
    """
    found = conversion.arguments(config)
    if kind != "text_classifier":
        return found
    activation = config.get("pooler_hidden_act", "gelu")
    refused = [
        f"{name}={config[name]!r}"
        for name, value in (
            ("pooler_dropout", 0),
            ("pooler_hidden_size", config["hidden_size"]),
        )
        if config.get(name, value) != value
    ]
    if conversion.ACTIVATIONS.get(activation) != found["activation"]:
        refused.append(f"pooler_hidden_act={activation!r}")
    if refused:
        raise ValueError(f"keras_rtd has no {', '.join(refused)}.")
    return found


def task_arguments(config, kind):
    """Arguments of a classifier, beside those of its classes."""
    dropout = config.get("hidden_dropout_prob", 0.1)
    if kind == "text_classifier":
        own = config.get("cls_dropout")
        dropout = dropout if own is None else own
    return {"dropout": dropout}


def tensors(kind, model, found=()):
    """The weights of a model as its file has them.

    Args:
        kind: a key of `ARCHITECTURES`.
        model: the encoder, or a task that has one.
        found: the names of a file that is read; those of `legacy=False` are
            taken where it has them. Defaults to none.

    Returns:
        dict of names to `StoredTensor`, the encoder's with `PREFIX`.

    Raises:
        ValueError: an encoder that `DebertaV2Model` cannot hold.
    """
    backbone = getattr(model, "backbone", model)
    check(backbone)
    named = {
        PREFIX + name: tensor
        for name, tensor in conversion.tensors(backbone).items()
    }
    if kind == "masked_lm":
        head = model.masked_lm_head
        dense, norm, bias = NOT_LEGACY if NOT_LEGACY[-1] in found else LEGACY
        add_dense(named, dense, head.dense)
        add_norm(named, norm, head.layer_norm)
        named[bias] = plain(head.bias)
    elif kind == "text_classifier":
        add_dense(named, "pooler.dense", model.prediction_head)
    if kind in ("text_classifier", "token_classifier"):
        add_dense(named, "classifier", model.output_dense)
    return named


def check(backbone):
    """Refuse an encoder that `DebertaV2Model` cannot hold.

    Raises:
        ValueError: naming the arguments.
    """
    conversion.check(backbone)
    if backbone.decodes:
        raise ValueError(
            "transformers has no enhanced mask decoder "
            "(enhanced_mask_decoder=True): its DebertaV2ForMaskedLM would give "
            "other predictions."
        )


def write(kind, model):
    """What a directory of a model holds.

    Args:
        kind: a key of `ARCHITECTURES`.
        model: the encoder, or a task that has one.

    Returns:
        (dict of `config.json`, dict of names to arrays with `PREFIX`). A
        masked language model is written as of `legacy=True`, transformers'
        default, which computes the same.

    Raises:
        ValueError: naming what `transformers` cannot hold.
    """
    backbone = getattr(model, "backbone", model)
    config = {**conversion.config(backbone), "tie_word_embeddings": True}
    if kind == "text_classifier":
        if model.pooling != "cls":
            raise ValueError(
                "transformers' DebertaV2ForSequenceClassification reads [CLS]. "
                f"This classifier has pooling={model.pooling!r}."
            )
        config |= {
            "pooler_dropout": 0.0,
            "pooler_hidden_act": config["hidden_act"],
            "pooler_hidden_size": backbone.hidden_dim,
            "cls_dropout": model.dropout,
        }
    if kind == "masked_lm":
        config["legacy"] = True
    return config, stored_tensors.read(tensors(kind, model))


def stays_behind(model):
    """Why a part of a pretrainer cannot leave, or `None`.

    Args:
        model: a task of the pretrainer.
    """
    if hasattr(model, "detection_head"):
        return (
            "transformers has no class with DeBERTaV3's; the encoder is saved."
        )
    try:
        check(model.backbone)
    except ValueError as error:
        return str(error)
    return None
