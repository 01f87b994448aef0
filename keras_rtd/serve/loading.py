"""From preset directories to services."""

import pathlib
from typing import Any

from keras_rtd.models.presets import DETECTOR
from keras_rtd.models.presets import PRETRAINER
from keras_rtd.models.presets import read_task_name
from keras_rtd.serve.detect import Detect
from keras_rtd.serve.tasks import Answer
from keras_rtd.serve.tasks import Classify
from keras_rtd.serve.tasks import Tag

SERVICES: dict[str, Any] = {
    PRETRAINER: Detect,
    DETECTOR: Detect,
    "keras_rtd>ElectraTextClassifier": Classify,
    "keras_rtd>ElectraTokenClassifier": Tag,
    "keras_rtd>ElectraQuestionAnswerer": Answer,
}


def load_services(presets, max_batch):
    """The services of presets, one an endpoint.

    Args:
        presets: list of string. Preset directories, bundled names, or run
            directories with `preset/` in them.
        max_batch: int. Most rows of a batch.

    Returns:
        list of services.

    Raises:
        ValueError: a preset that cannot be served, or two for one endpoint.
    """
    classes: dict[Any, str] = {}
    for preset in presets:
        folder = _find(preset)
        name = read_task_name(folder)
        if name not in SERVICES:
            raise ValueError(
                f"The preset {folder!r} holds "
                f"{name.rpartition('>')[2] if name else 'a bare encoder'}, "
                "which no endpoint serves. These can be served: "
                f"{', '.join(n.rpartition('>')[2] for n in SERVICES)}."
            )
        service = SERVICES[name]
        if service in classes:
            raise ValueError(
                f"{classes[service]!r} and {folder!r} are both for "
                f"/v1/{service.endpoint}. Give one of them."
            )
        classes[service] = folder
    return [service(folder, max_batch) for service, folder in classes.items()]


def _find(preset):
    """The preset of a run directory, or the preset itself: a string."""
    folder = pathlib.Path(preset)
    if (folder / "preset").is_dir():
        return str(folder / "preset")
    if (folder / "checkpoints").is_dir():
        raise ValueError(
            f"The run {str(preset)!r} has written no preset/ yet: let it end."
        )
    return str(preset)
