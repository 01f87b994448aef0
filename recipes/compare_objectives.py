"""Compare objectives, or other settings, with the same compute.

    python recipes/compare_objectives.py --data=corpus/prepared \\
        --objectives electra mlm all_tokens_mlm electra_15 --seeds 0 1 \\
        --flops=1e14 --run_dir=runs/compare --workers=2
"""

import sys

from keras_rtd.commands.compare_objectives import main

if __name__ == "__main__":
    sys.exit(main())
