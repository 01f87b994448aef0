"""The kinds of models in a directory of `transformers`, and their classes."""

from typing import Any

from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.models import ElectraTokenClassifier

TASKS: dict[str, Any] = {
    "masked_lm": ElectraMaskedLM,
    "detector": ElectraReplacedTokenDetector,
    "text_classifier": ElectraTextClassifier,
    "token_classifier": ElectraTokenClassifier,
}
CLASSIFIERS = ("text_classifier", "token_classifier")

# A detector where `transformers` has token classification only.
LABELS = ["ORIGINAL", "REPLACED"]


def find(config, conversion, path):
    """The kind of a `config.json`.

    Raises:
        ValueError: a class that there is no kind for.
    """
    encoder = conversion.ARCHITECTURES["encoder"]
    name = (config.get("architectures") or [encoder])[0]
    known = conversion.ARCHITECTURES
    kinds = [kind for kind in known if known[kind] == name]
    if not kinds:
        raise ValueError(
            f"{path} is an {name}. What can be loaded: "
            f"{', '.join(sorted(set(known.values())))}."
        )
    if len(kinds) > 1 and class_names(config) != LABELS:
        kinds.remove("detector")
    return kinds[0]


def class_names(config):
    """Names of the classes, as `transformers` has them."""
    # As transformers' own default, two classes without names.
    names = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    return [names[key] for key in sorted(names, key=int)]


def labels(model, kind, architecture):
    """The part of `config.json` that names classes."""
    if kind == "detector" and architecture.endswith("TokenClassification"):
        names = LABELS
    elif kind in CLASSIFIERS:
        numbers = [f"LABEL_{i}" for i in range(model.num_classes)]
        names = model.class_names or numbers
    else:
        return {}
    return {
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
    }
