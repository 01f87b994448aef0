"""What the machine in use is good at."""

import ctypes
import functools
import pathlib
import sys

import keras

# mallopt(3), <malloc.h>.
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_MAX = -4

# Instructions that multiply bfloat16, as Linux names them.
BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")
# NVIDIA's first GPUs that do.
AMPERE = 8.0


def fast_dtype(strategy=None):
    """The dtype policy that trains fastest on the devices of this backend.

    `"mixed_bfloat16"` on TPUs, on GPUs and processors that multiply bfloat16
    in hardware, but for JAX on a CPU, whose products are slower in it;
    `"float32"` elsewhere.

    It asks for the devices: where a run has several processes, call it after
    `keras_rtd.training.get_strategy` has connected them.

    Args:
        strategy: `keras_rtd.training.Strategy` or `None`. With several
            processes, the answer is the same in all of them: `"float32"` if
            one of them is not fast at bfloat16.

    Returns:
        string.
    """
    slow = not _is_fast_at_bfloat16()
    if strategy is not None:
        slow = strategy.any(slow)
    return "float32" if slow else "mixed_bfloat16"


def _is_fast_at_bfloat16():
    if has_gpu():
        return _compute_capability() >= AMPERE
    if has_accelerator():
        return True
    if keras.config.backend() == "jax":
        return False
    try:
        flags = pathlib.Path("/proc/cpuinfo").read_text("utf-8").split()
    except OSError:
        return False
    return any(name in flags for name in BFLOAT16_INSTRUCTIONS)


def _compute_capability():
    """NVIDIA's, of the first GPU: a float. That of other makers' counts as
    new: those that the backends support have bfloat16."""
    backend = keras.config.backend()
    if backend == "torch":
        import torch

        if torch.version.cuda is None:
            return AMPERE
        major, minor = torch.cuda.get_device_capability()
        return major + minor / 10
    if backend == "jax":
        import jax

        version = getattr(jax.local_devices()[0], "compute_capability", "")
    else:
        import tensorflow as tf

        gpu = tf.config.list_physical_devices("GPU")[0]
        details = tf.config.experimental.get_device_details(gpu)
        version = ".".join(map(str, details.get("compute_capability", ())))
    try:
        return float(version)
    except ValueError:
        return AMPERE


def has_gpu():
    """Whether the backend in use computes on GPUs."""
    if keras.config.backend() == "torch":
        import torch

        return torch.cuda.is_available()
    names = keras.distribution.list_devices()
    return any(name.startswith(("gpu", "cuda", "rocm")) for name in names)


def has_accelerator():
    """Whether the backend in use computes on anything but CPUs."""
    if keras.config.backend() == "torch":
        import torch

        return torch.cuda.is_available()
    devices = keras.distribution.list_devices()
    return not all(name.startswith("cpu") for name in devices)


def keep_tensorflow_off_gpus():
    """Where TensorFlow only reads data for another backend, it leaves the GPUs'
    memory, all of which it would take, to that one.

    Call it before TensorFlow computes anything.
    """
    if keras.config.backend() == "tensorflow":
        return
    import tensorflow as tf

    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        pass  # The caller's own program has used TensorFlow before.


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
