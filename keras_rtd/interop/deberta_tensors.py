"""The weights of a pretrainer under the names of microsoft/DeBERTa.

Generator and discriminator are a file each there. The encoder's names are its
family's, `models/deberta_v3/conversion.py`.
"""

from keras_rtd.models.deberta_v3 import conversion
from keras_rtd.models.stored_tensors import plain

# Before the encoder's names.
ENCODER = "deberta."
# Of a discriminator with gradient-disentangled embeddings: what is added to
# the generator's table. The sum, which Microsoft's files hold as `weight` too,
# is no variable.
DELTA = conversion.TOKEN_TABLE.replace(".weight", "._weight")


def generator_tensors(model):
    """The generator's and its head's: dict of names to `StoredTensor`.

    Args:
        model: `ElectraPretrainer` or `ElectraMaskedLM`.
    """
    named = _encoder(getattr(model, "generator", model.backbone))
    head, scope = model.masked_lm_head, "lm_predictions.lm_head"
    conversion.add_dense(named, f"{scope}.dense", head.dense)
    conversion.add_norm(named, f"{scope}.LayerNorm", head.layer_norm)
    named[f"{scope}.bias"] = plain(head.bias)
    return named


def discriminator_tensors(model):
    """The discriminator's and its head's: dict of names to `StoredTensor`.

    Args:
        model: `ElectraPretrainer` or `ElectraReplacedTokenDetector`.
    """
    named = _encoder(model.backbone)
    if model.backbone.embeddings.base() is not None:
        named[ENCODER + DELTA] = named.pop(ENCODER + conversion.TOKEN_TABLE)
    head, scope = model.detection_head, "mask_predictions"
    conversion.add_dense(named, f"{scope}.dense", head.dense)
    conversion.add_norm(named, f"{scope}.LayerNorm", head.layer_norm)
    conversion.add_dense(named, f"{scope}.classifier", head.logits)
    return named


def _encoder(backbone):
    found = conversion.tensors(backbone)
    return {ENCODER + name: tensor for name, tensor in found.items()}
