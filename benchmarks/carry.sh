#!/bin/sh
# Downloads what benchmarks/gpu.sh installs on a machine without a network:
#     sh benchmarks/carry.sh [FOLDER]        (default benchmarks/wheels)
# JAX and PyTorch are there already; TensorFlow is not needed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/wheels}
python=${PYTHON:-$here/../.venv/bin/python}
mkdir -p "$folder"
# shellcheck disable=SC2046
"$python" -m pip download --no-deps --dest "$folder" \
    --constraint "$here/../constraints.txt" \
    $(sed 's/#.*//' "$here/gpu_packages.txt")
du -sh "$folder"
