import subprocess
import sys

import pytest

# Allocates and frees what glibc would otherwise map anew each time, and
# counts the pages that the kernel had to provide.
COUNT = """
import ctypes, resource, sys
from keras_rtd.utils.hardware import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
size = 64 * 1024 * 1024
def use():
    block = libc.malloc(ctypes.c_size_t(size))
    ctypes.memset(block, 1, size)
    libc.free(block)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_freed_memory_is_used_again():
    faults = {
        mode: int(
            subprocess.run(
                [sys.executable, "-c", COUNT, mode],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for mode in ("keep", "default")
    }
    assert faults["default"] > 1000
    assert faults["keep"] < 100
