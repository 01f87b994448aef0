"""How the process keeps memory between training steps."""

import ctypes
import functools
import sys

# mallopt(3), <malloc.h>.
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_MAX = -4


@functools.cache
def keep_freed_memory():
    """Let glibc keep freed memory for the next step of this process.

    By default every tensor over some megabytes is mapped when made and
    unmapped when freed, and the kernel clears its pages each time. With this,
    memory once used stays with the process. Does nothing where the C library
    is another one.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, -1)
    mallopt(M_TOP_PAD, 64 * 1024 * 1024)
