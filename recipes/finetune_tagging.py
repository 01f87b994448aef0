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

from keras_rtd.finetuning import FineTuneConfig
from keras_rtd.finetuning import main
from keras_rtd.finetuning.problems import Tagging
from keras_rtd.pretraining import setting


@dataclasses.dataclass(frozen=True)
class TaggingConfig(FineTuneConfig):
    train: str = setting("train.txt", "file of the training sentences")
    held_out: str = setting("test.txt", "file of the sentences scored")
    run_dir: str = setting("runs/tagging", "where everything is written")


def problem(config):
    folder = pathlib.Path(config.data)
    return Tagging(
        folder.name,
        folder / config.train,
        folder / config.held_out,
        config.limit,
    )


if __name__ == "__main__":
    sys.exit(main(TaggingConfig, __doc__, problem))
