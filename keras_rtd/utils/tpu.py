"""Whether this machine has a TPU, and which backend can use it.

Nothing here imports a backend, nor Keras.
"""

import glob
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import sys

# As Linux shows it: /dev/accel0 up to v4, /dev/vfio/0 from v5e.
DEVICES = ("/dev/accel[0-9]*", "/dev/vfio/[0-9]*")
VENDORS = "/sys/bus/pci/devices/*/vendor"
GOOGLE = "0x1ae0"
# What Cloud TPU, GKE, Colab or Kaggle say of a TPU, where /sys is hidden.
VARIABLES = ("TPU_ACCELERATOR_TYPE", "TPU_WORKER_ID", "TPU_NAME")


def is_attached():
    """Whether this machine has a TPU, in use or not."""
    if not any(glob.glob(pattern) for pattern in DEVICES):
        return False
    if any(name in os.environ for name in VARIABLES):
        return True
    return any(
        pathlib.Path(path).read_text("utf-8").strip() == GOOGLE
        for path in glob.glob(VENDORS)
    )


def is_jaxs():
    """Whether JAX is installed with TPU support."""
    return all(
        importlib.util.find_spec(name) is not None for name in ("jax", "libtpu")
    )


def is_tensorflows():
    """Whether TensorFlow is installed with TPU support."""
    try:
        importlib.metadata.distribution("tensorflow-tpu")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def choose_backend():
    """Set KERAS_BACKEND=jax where nobody chose a backend, and only JAX can use
    this machine's TPU; say so on stderr.

    Chosen means: KERAS_BACKEND is set, Keras is imported, or `keras.json` names
    another backend than TensorFlow, which Keras writes there by itself.
    """
    if "KERAS_BACKEND" in os.environ or "keras" in sys.modules:
        return
    if not is_attached() or not is_jaxs() or is_tensorflows():
        return
    if _backend_of_keras_json() not in (None, "tensorflow"):
        return
    os.environ["KERAS_BACKEND"] = "jax"
    print(
        "keras_rtd: this machine has a TPU that only JAX can use here: taking "
        "KERAS_BACKEND=jax. Set KERAS_BACKEND to choose otherwise.",
        file=sys.stderr,
    )


def _backend_of_keras_json():
    home = os.environ.get("KERAS_HOME", os.path.expanduser("~/.keras"))
    try:
        with open(os.path.join(home, "keras.json"), encoding="utf-8") as file:
            return json.load(file).get("backend")
    except (OSError, ValueError, AttributeError):
        return None
