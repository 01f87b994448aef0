"""Fine-tune an encoder to answer questions (SQuAD 1.1 or 2.0), and score it.

    python recipes/finetune_squad.py --data=SQuAD --init_from=runs/mine \\
        --train=train-v1.1.json --held_out=dev-v1.1.json --run_dir=runs/squad

Files are SQuAD's JSON, plain or gzip, in the folder `--data`. Where some
questions have no answer, the model learns to say so. Scores are those of the
official script.
"""

import dataclasses
import pathlib
import sys

from keras_rtd.finetuning import FineTuneConfig
from keras_rtd.finetuning import main
from keras_rtd.finetuning.problems import Squad
from keras_rtd.pretraining import setting


@dataclasses.dataclass(frozen=True)
class SquadConfig(FineTuneConfig):
    train: str = setting("train-v1.1.json", "file of the training questions")
    held_out: str = setting("dev-v1.1.json", "file of the questions scored")
    held_out_limit: int | None = setting(
        None, "questions scored, the first of the file (default all)"
    )
    epochs: int = setting(2, "passes over the training data")
    run_dir: str = setting("runs/squad", "where everything is written")


def problem(config):
    folder = pathlib.Path(config.data)
    return Squad(
        folder / config.train,
        folder / config.held_out,
        config.limit,
        config.held_out_limit,
    )


if __name__ == "__main__":
    sys.exit(main(SquadConfig, __doc__, problem))
