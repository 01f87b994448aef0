"""Fine-tune an encoder to tag words, and score its chunks or entities.

    python recipes/finetune_tagging.py --data=conll2000 --train=train.txt \\
        --held_out=test.txt --init_from=runs/mine --run_dir=runs/mine-chunk

It reads CoNLL files from the folder `--data`, plain or gzip: one word per line,
its tag last, an empty line after each sentence. Tags are learned as BIOES. The
scores equal those of conlleval.
"""

import dataclasses
import pathlib
import sys

from keras_rtd import finetuning
from keras_rtd.finetuning.problems import Tagging
from keras_rtd.utils.setting import Settings
from keras_rtd.utils.setting import setting


@dataclasses.dataclass(frozen=True)
class TaggingSettings(Settings):
    train: str = setting("train.txt", "File of the training sentences.")
    held_out: str = setting(
        "test.txt", "File of the sentences that are scored."
    )


def problem(settings):
    task, data = settings.task, settings.data
    folder = pathlib.Path(data.data)
    return Tagging(
        folder.name, folder / task.train, folder / task.held_out, data.limit
    )


DEFAULTS = {"run_dir": "runs/tagging"}


def main(argv=None):
    """The command; returns the exit status."""
    return finetuning.main(__doc__, problem, TaggingSettings, DEFAULTS, argv)


if __name__ == "__main__":
    sys.exit(main())
