"""Pre-train ELECTRA-Base (12 x 768), as published.

    python recipes/pretrain_base.py --data=corpus/prepared --run_dir=runs/base

Batch 256 x 512, 766,000 steps, 100 billion tokens (electra
configure_pretraining.py). The paper's GLUE average of this model is 85.1.
"""

import dataclasses
import sys

from keras_rtd.pretraining import TwoPhaseConfig
from keras_rtd.pretraining import main
from keras_rtd.pretraining import setting


@dataclasses.dataclass(frozen=True)
class BaseConfig(TwoPhaseConfig):
    preset: str = setting("electra_base_uncased_en", "bundled preset or folder")
    run_dir: str = setting("runs/base", "where everything is written")
    train_steps: int = setting(766_000, "optimiser steps of the whole run")
    batch_size: int = setting(256, "windows a step")
    sequence_length: int = setting(512, "tokens a window")


if __name__ == "__main__":
    sys.exit(main(BaseConfig, __doc__))
