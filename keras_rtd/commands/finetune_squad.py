"""Fine-tune an encoder to answer questions (SQuAD 1.1 or 2.0), and score it.

    python recipes/finetune_squad.py --data=SQuAD --init_from=runs/mine \\
        --train=train-v1.1.json --held_out=dev-v1.1.json --run_dir=runs/squad

It reads SQuAD's JSON files, plain or gzip, from the folder `--data`. If some
questions have no answer, the model learns to say so. The scores equal those of
the official script.
"""

import dataclasses
import pathlib
import sys

from keras_rtd import finetuning
from keras_rtd.finetuning.problems import Squad
from keras_rtd.utils.setting import Settings
from keras_rtd.utils.setting import setting


@dataclasses.dataclass(frozen=True)
class SquadSettings(Settings):
    train: str = setting("train-v1.1.json", "File of the training questions.")
    held_out: str = setting(
        "dev-v1.1.json", "File of the questions that are scored."
    )
    held_out_limit: int | None = setting(
        None,
        "Questions that are scored, the first ones of the file.",
        none="all",
        at_least=1,
    )


def problem(settings):
    task, data = settings.task, settings.data
    folder = pathlib.Path(data.data)
    return Squad(
        folder / task.train,
        folder / task.held_out,
        data.limit,
        task.held_out_limit,
    )


DEFAULTS = {"epochs": 2, "run_dir": "runs/squad"}


def main(argv=None):
    """The command; returns the exit status."""
    return finetuning.main(__doc__, problem, SquadSettings, DEFAULTS, argv)


if __name__ == "__main__":
    sys.exit(main())
