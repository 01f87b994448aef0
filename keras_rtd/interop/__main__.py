"""`python -m keras_rtd.interop convert --from … --to …`."""

import sys

from keras_rtd.interop.convert import main

if __name__ == "__main__":
    sys.exit(main())
