"""Fine-tune an encoder to answer questions (SQuAD 1.1 or 2.0), and score it.

    python recipes/finetune_squad.py --data=SQuAD --init_from=runs/mine \\
        --train=train-v1.1.json --held_out=dev-v1.1.json --run_dir=runs/squad
"""

import sys

from keras_rtd.commands.finetune_squad import main

if __name__ == "__main__":
    sys.exit(main())
