"""Pre-train ELECTRA-Tiny (4 x 128, ours): small enough to train on a CPU.

    python recipes/pretrain_tiny.py --data="corpus/*.txt" --run_dir=runs/tiny

Use it for your own text on a machine without an accelerator.
"""

import sys

from keras_rtd.pretraining import main

DEFAULTS = {
    "preset": "electra_tiny_uncased_en",
    "run_dir": "runs/tiny",
    "train_steps": 20_000,
    "batch_size": 32,
    "sequence_length": 128,
    "checkpoint_every": 500,
    "eval_every": 500,
}

if __name__ == "__main__":
    sys.exit(main(__doc__, DEFAULTS))
