#!/bin/sh
# The bench on a machine with an NVIDIA GPU, JAX and PyTorch, but neither
# TensorFlow nor a network:
#     sh benchmarks/carry.sh          where there is a network
#     sh benchmarks/gpu.sh            on the machine, with benchmarks/wheels
# 1. installs the carried packages beside the JAX and PyTorch that are there,
# 2. replays the recorded reference on the GPU, float32, by the limits of
#    tests/replay_reference.py,
# 3. runs the bench on JAX and PyTorch with the Hugging Face peer.
# OUT=folder takes the results, BENCH="--models small" changes what is run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
out=${OUT:-$here/results}
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT

echo "=== install"
if ls "$here"/wheels/*.whl >/dev/null 2>&1; then
    "$python" -m pip install --quiet --no-index --no-deps \
        --target "$packages" "$here"/wheels/*.whl
    # JAX, PyTorch and NumPy are not among them: the machine's are used.
    PYTHONPATH="$here/..:$packages${PYTHONPATH:+:$PYTHONPATH}"
else
    echo "no benchmarks/wheels: taking the packages of $python"
    PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
fi
export PYTHONPATH
# Products in full float32, or nothing could be compared.
export JAX_DEFAULT_MATMUL_PRECISION=highest
export XLA_PYTHON_CLIENT_PREALLOCATE=false

echo "=== correctness"
for backend in jax torch; do
    KERAS_BACKEND=$backend "$python" "$here/../tests/replay_reference.py" \
        "$here/../tests/data_files/trace.npz"
done

echo "=== bench"
unset JAX_DEFAULT_MATMUL_PRECISION
mkdir -p "$out"
name=$(date +%F)-gpu.json
# shellcheck disable=SC2086
"$python" "$here/bench.py" --gpu --output "$out/$name" ${BENCH:-}
