"""Pre-train ELECTRA-Base (12 x 768), as published.

    python recipes/pretrain_base.py --data=corpus/prepared --run_dir=runs/base

Batch 256 x 512, 766,000 steps, 100 billion tokens (electra
configure_pretraining.py). The paper's GLUE average of this model is 85.1.
"""

import sys

from keras_rtd.pretraining import main

DEFAULTS = {
    "preset": "electra_base_uncased_en",
    "run_dir": "runs/base",
    "train_steps": 766_000,
    "batch_size": 256,
    "sequence_length": 512,
}

if __name__ == "__main__":
    sys.exit(main(__doc__, DEFAULTS))
