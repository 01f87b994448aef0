"""Pre-train ELECTRA-Small (12 x 256), as published.

    python recipes/pretrain_small.py --data=corpus/prepared --run_dir=runs/small

Batch 128 x 128, one million steps, 16.4 billion tokens (electra
configure_pretraining.py; the released weights trained four times as long).
The paper's GLUE average of this model is 79.9.
"""

import dataclasses
import sys

from keras_rtd.pretraining import PretrainConfig
from keras_rtd.pretraining import main
from keras_rtd.pretraining import setting


@dataclasses.dataclass(frozen=True)
class SmallConfig(PretrainConfig):
    preset: str = setting(
        "electra_small_uncased_en", "bundled preset or folder"
    )
    run_dir: str = setting("runs/small", "where everything is written")


if __name__ == "__main__":
    sys.exit(main(SmallConfig, __doc__))
