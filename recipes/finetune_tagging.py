"""Fine-tune an encoder to tag words, and score its chunks or entities.

    python recipes/finetune_tagging.py --data=conll2000 --train=train.txt \\
        --held_out=test.txt --init_from=runs/mine --run_dir=runs/mine-chunk

Files are CoNLL's: a word a line, its tag last, an empty line after each
sentence, plain or gzip, in the folder `--data`. Tags are learned as BIOES and
scored as conlleval scores them.
"""

import dataclasses
import pathlib
import sys

from keras_rtd.finetuning import main
from keras_rtd.finetuning.problems import Tagging
from keras_rtd.utils.setting import setting


@dataclasses.dataclass(frozen=True)
class TaggingSettings:
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


if __name__ == "__main__":
    defaults = {"run_dir": "runs/tagging"}
    sys.exit(main(__doc__, problem, TaggingSettings, defaults))
