"""Fine-tune an encoder to tag words, and score its chunks or entities.

    python recipes/finetune_tagging.py --data=conll2000 --train=train.txt \\
        --held_out=test.txt --init_from=runs/mine --run_dir=runs/mine-chunk
"""

import sys

from keras_rtd.commands.finetune_tagging import main

if __name__ == "__main__":
    sys.exit(main())
