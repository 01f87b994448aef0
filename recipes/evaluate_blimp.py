"""Score a pre-trained model on BLiMP, without training.

python recipes/evaluate_blimp.py --model=runs/mine/preset --data=blimp/
"""

import sys

from keras_rtd.commands.evaluate_blimp import main

if __name__ == "__main__":
    sys.exit(main())
