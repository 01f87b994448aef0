"""Pre-train ELECTRA-Tiny (4 x 128, ours): an encoder a CPU can train.

    python recipes/pretrain_tiny.py --data="corpus/*.txt" --run_dir=runs/tiny

For text of your own and machines without an accelerator.
"""

import dataclasses
import sys

from keras_rtd.pretraining import PretrainConfig
from keras_rtd.pretraining import main
from keras_rtd.pretraining import setting


@dataclasses.dataclass(frozen=True)
class TinyConfig(PretrainConfig):
    preset: str = setting("electra_tiny_uncased_en", "bundled preset or folder")
    run_dir: str = setting("runs/tiny", "where everything is written")
    train_steps: int = setting(20_000, "optimiser steps of the whole run")
    batch_size: int = setting(32, "windows a step")
    checkpoint_every: int = setting(500, "steps between checkpoints")
    eval_every: int = setting(500, "steps between evaluations")


if __name__ == "__main__":
    sys.exit(main(TinyConfig, __doc__))
