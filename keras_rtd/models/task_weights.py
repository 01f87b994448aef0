"""What a task's preset holds beside the encoder."""

from typing import Any

import keras

from keras_rtd.keras_internals import flat_layers
from keras_rtd.models.text_task import PlainWeights
from keras_rtd.utils.types import Path


class TaskWeights(PlainWeights):
    """Presets without the optimizer's state, two thirds of a KerasHub task's.

    Runs go on from checkpoints (`keras_rtd.training.Checkpoint`); a preset is
    for its weights. Stands before a KerasHub Task among the bases.
    """

    backbone: Any
    preprocessor: Any

    def save_task_weights(self, filepath: Path) -> None:
        """As `keras_hub.models.Task.save_task_weights`."""
        keras.saving.save_weights(
            self, filepath, objects_to_skip=self._not_of_the_task()
        )

    def load_task_weights(self, filepath: Path) -> None:
        """As `keras_hub.models.Task.load_task_weights`."""
        keras.saving.load_weights(
            self, filepath, objects_to_skip=self._not_of_the_task()
        )

    def _not_of_the_task(self):
        # There is none before `compile`.
        optimizer = getattr(self, "optimizer", None)
        return [*flat_layers(self.backbone), optimizer]
