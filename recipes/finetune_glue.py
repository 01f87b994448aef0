"""Fine-tune an encoder on a task of GLUE, and score it.

    python recipes/finetune_glue.py --task=sst2 --data=GLUE \\
        --init_from=runs/mine --run_dir=runs/mine-sst2 --seeds=3
"""

import sys

from keras_rtd.commands.finetune_glue import main

if __name__ == "__main__":
    sys.exit(main())
