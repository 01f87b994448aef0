"""Pre-train ELECTRA-Large (24 x 1024), as published.

    python recipes/pretrain_large.py --data=corpus/prepared --run_dir=runs/large

Batch 2048 x 512, 400,000 steps, a quarter of the tokens masked (electra
configure_pretraining.py). The paper's GLUE average of this model is 89.0.
"""

import sys

from keras_rtd.pretraining import main

DEFAULTS = {
    "preset": "electra_large_uncased_en",
    "run_dir": "runs/large",
    "train_steps": 400_000,
    "batch_size": 2048,
    "sequence_length": 512,
    "mask_rate": 0.25,
}

if __name__ == "__main__":
    sys.exit(main(__doc__, DEFAULTS))
