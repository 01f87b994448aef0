"""What the machine in use is good at."""

import pathlib

import keras

# Instructions that multiply bfloat16, as Linux names them.
BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")


def fast_dtype():
    """The dtype policy that trains fastest on the devices of this backend.

    `"mixed_bfloat16"` on accelerators and on processors that multiply
    bfloat16 in hardware, but for JAX on a CPU, whose products are slower in
    it; `"float32"` elsewhere.

    Returns:
        string.
    """
    if has_accelerator():
        return "mixed_bfloat16"
    if keras.config.backend() == "jax":
        return "float32"
    try:
        flags = pathlib.Path("/proc/cpuinfo").read_text("utf-8").split()
    except OSError:
        return "float32"
    fast = any(name in flags for name in BFLOAT16_INSTRUCTIONS)
    return "mixed_bfloat16" if fast else "float32"


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
