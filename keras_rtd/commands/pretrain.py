"""Pre-train an encoder from a preset, with settings of your own.

    keras-rtd pretrain --preset=electra_small_uncased_en \\
        --data=corpus/prepared --run_dir=runs/small

The same command continues an interrupted run. recipes/pretrain_*.py have the
published batch sizes and numbers of steps.
"""

import sys

from keras_rtd import pretraining

DEFAULTS = {"preset": "electra_small_uncased_en", "run_dir": "runs/pretrained"}


def main(argv=None):
    """The command; returns the exit status."""
    return pretraining.main(__doc__, DEFAULTS, argv)


if __name__ == "__main__":
    sys.exit(main())
