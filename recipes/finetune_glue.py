"""Fine-tune an encoder on a task of GLUE, and score it.

    python recipes/finetune_glue.py --task=sst2 --data=GLUE \\
        --init_from=runs/mine --run_dir=runs/mine-sst2 --seeds=3

`--data` is the folder with the tasks' own folders (SST-2, CoLA, …) or one of
them, files as GLUE distributes them, plain or gzip. Three epochs, ten for
RTE and STS-B, as the paper has it (appendix B).
`--fresh` starts from random weights: what pre-training is worth.
"""

import dataclasses
import sys

from keras_rtd.evaluation.glue import TASKS
from keras_rtd.finetuning import FineTuneConfig
from keras_rtd.finetuning import main
from keras_rtd.finetuning.problems import Glue
from keras_rtd.models.text_classifier import POOLINGS
from keras_rtd.pretraining import setting


@dataclasses.dataclass(frozen=True)
class GlueConfig(FineTuneConfig):
    task: str = setting("sst2", "which task", choices=tuple(TASKS))
    epochs: int | None = setting(
        None, "passes over the training data (default 3; 10 for rte, stsb)"
    )
    pooling: str = setting(
        "cls",
        "what the head reads: the vector of [CLS], or the mean over tokens",
        choices=POOLINGS,
    )
    run_dir: str = setting("runs/glue", "where everything is written")

    def __post_init__(self):
        if self.epochs is None:
            object.__setattr__(self, "epochs", TASKS[self.task].epochs)
        super().__post_init__()


def problem(config):
    return Glue(config.task, config.data, config.limit, config.pooling)


if __name__ == "__main__":
    sys.exit(main(GlueConfig, __doc__, problem))
