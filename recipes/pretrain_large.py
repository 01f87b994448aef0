"""Pre-train ELECTRA-Large (24 x 1024), as published.

    python recipes/pretrain_large.py --data=corpus/prepared --run_dir=runs/large

Batch 2048 x 512, 400,000 steps, a quarter of the tokens masked (electra
configure_pretraining.py). The paper's GLUE average of this model is 89.0.
"""

import dataclasses
import sys

from keras_rtd.pretraining import TwoPhaseConfig
from keras_rtd.pretraining import main
from keras_rtd.pretraining import setting


@dataclasses.dataclass(frozen=True)
class LargeConfig(TwoPhaseConfig):
    preset: str = setting(
        "electra_large_uncased_en", "bundled preset or folder"
    )
    run_dir: str = setting("runs/large", "where everything is written")
    train_steps: int = setting(400_000, "optimiser steps of the whole run")
    batch_size: int = setting(2048, "windows a step")
    sequence_length: int = setting(512, "tokens a window")
    mask_rate: float = setting(0.25, "share of tokens the generator fills")


if __name__ == "__main__":
    sys.exit(main(LargeConfig, __doc__))
