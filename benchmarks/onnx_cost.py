"""What int8 weights cost and bring: size, differences, speed.

    python benchmarks/onnx_cost.py runs/mine

Exports a pretrainer's preset as ONNX in both forms, and runs 32 texts of 126
random whole words of its vocabulary through them on one thread, in turns.
"""

import argparse
import pathlib
import tempfile
import time

import numpy as np
import onnxruntime

from keras_rtd import export
from keras_rtd.models import ElectraTokenizer

ROWS, LENGTH, ROUNDS = 32, 128, 20


def batch(preset):
    """Encoder inputs: int32 (ROWS, LENGTH)."""
    tokenizer = ElectraTokenizer.from_preset(preset)
    words = [
        i
        for i, token in enumerate(tokenizer.get_vocabulary())
        if token.isalpha()
    ]
    ids = np.random.default_rng(0).choice(words, (ROWS, LENGTH))
    ids[:, 0], ids[:, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
    ids = ids.astype(np.int32)
    return {
        "token_ids": ids,
        "segment_ids": np.zeros_like(ids),
        "padding_mask": np.ones_like(ids),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset", help="a pretrainer's preset directory")
    preset = parser.parse_args().preset
    inputs = batch(preset)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions, sizes = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, quantize in (("float32", None), ("int8", "int8")):
            path = pathlib.Path(folder) / f"{name}.onnx"
            export.onnx(preset, path, quantize)
            sizes[name] = path.stat().st_size
            sessions[name] = onnxruntime.InferenceSession(str(path), options)
    seconds = {name: [] for name in sessions}
    outputs = {}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            # Of the process, because others may be running.
            begin = time.process_time()
            (outputs[name],) = session.run(["replaced_probability"], inputs)
            seconds[name].append(time.process_time() - begin)
    for name in sessions:
        rate = ROWS * LENGTH / np.median(seconds[name])
        print(
            f"{name}: {sizes[name] / 1e6:.2f} MB, {rate:,.0f} tokens a second "
            "of CPU time"
        )
    difference = np.abs(outputs["int8"] - outputs["float32"])
    correlation = np.corrcoef(*(o.ravel() for o in outputs.values()))[0, 1]
    print(
        f"probabilities differ by {difference.max():.3f} at most, "
        f"{difference.mean():.4f} on average; correlation {correlation:.4f}"
    )


if __name__ == "__main__":
    main()
