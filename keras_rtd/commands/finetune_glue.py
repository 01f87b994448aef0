"""Fine-tune an encoder on a task of GLUE, and score it.

    python recipes/finetune_glue.py --task=sst2 --data=GLUE \\
        --init_from=runs/mine --run_dir=runs/mine-sst2 --seeds=3

`--data` is the folder that contains the tasks' folders (SST-2, CoLA, …), or one
of them, with GLUE's original files, plain or gzip. It trains for three epochs,
ten for RTE and STS-B, as in the paper (appendix B). `--fresh` starts from
random weights, to measure the benefit of pre-training.
"""

import dataclasses
import sys

from keras_rtd import finetuning
from keras_rtd.evaluation.glue import TASKS
from keras_rtd.finetuning.problems import Glue
from keras_rtd.models.text_classifier import POOLINGS
from keras_rtd.utils.setting import Settings
from keras_rtd.utils.setting import setting


@dataclasses.dataclass(frozen=True)
class GlueSettings(Settings):
    task: str = setting("sst2", "Task of GLUE.", choices=tuple(TASKS))
    pooling: str = setting(
        "cls",
        "Vector that the head reads. cls: that of [CLS]. mean: the mean over "
        "tokens.",
        choices=POOLINGS,
    )


def defaults(given):
    task = TASKS.get(given.get("task", "sst2"))
    return {"run_dir": "runs/glue", "epochs": task.epochs if task else 3}


def problem(settings):
    task, data = settings.task, settings.data
    return Glue(task.task, data.data, data.limit, task.pooling)


def main(argv=None):
    """The command; returns the exit status."""
    return finetuning.main(__doc__, problem, GlueSettings, defaults, argv)


if __name__ == "__main__":
    sys.exit(main())
