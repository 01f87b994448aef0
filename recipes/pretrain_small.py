"""Pre-train ELECTRA-Small (12 x 256), as published.

    python recipes/pretrain_small.py --data=corpus/prepared --run_dir=runs/small

Batch 128 x 128, one million steps, 16.4 billion tokens (electra
configure_pretraining.py; the released weights trained four times as long).
The paper's GLUE average of this model is 79.9.
"""

import sys

from keras_rtd.pretraining import main

DEFAULTS = {
    "preset": "electra_small_uncased_en",
    "run_dir": "runs/small",
    "train_steps": 1_000_000,
    "batch_size": 128,
    "sequence_length": 128,
}

if __name__ == "__main__":
    sys.exit(main(__doc__, DEFAULTS))
