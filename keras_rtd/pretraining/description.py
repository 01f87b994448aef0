"""What a run says of itself."""

import importlib.metadata
import os
import platform

import keras
import numpy as np

from keras_rtd.utils.hardware import fast_dtype


def facts():
    """What was installed, and where: a dict for config.json."""
    versions = {}
    for name in ("keras_rtd", "keras", "keras-hub", keras.config.backend()):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "backend": keras.config.backend(),
        "versions": versions,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


def description(pretrainer, phases, phase, flops, held_out, done, strategy):
    """What is trained on what, for the log."""
    count = pretrainer.accumulate_steps
    warmup = getattr(pretrainer.objective, "unigram_warmup_steps", 0)
    windows = sum(int(b["padding_mask"].any(axis=1).sum()) for b in held_out)
    parameters = pretrainer.backbone.count_params()
    generator = sum(
        int(np.prod(v.shape)) for v in pretrainer.generator_variables
    )
    more = f", generator {generator:,} more" if generator else ""
    lines = [
        f"encoder {parameters:,} parameters{more}; "
        f"{flops / 1e6:.1f} MFLOP a token",
        f"batch {phase.batch_size} x {phase.sequence_length} tokens"
        + (f" in {count} micro-batches" if count > 1 else "")
        + f", {_steps(phases, phase)}; {windows:,} windows held out",
    ]
    if warmup:
        lines.append(
            "note: unigram warm-up, "
            f"the first {warmup:,} steps replace tokens "
            "partly by word frequency, as the probe does: compare its AUC "
            "only with runs of the same warm-up"
        )
    if pretrainer.dtype_policy.name == "float32" and fast_dtype() != "float32":
        lines.append(
            "note: these devices multiply bfloat16 in hardware; "
            "--dtype=mixed_bfloat16 would train faster"
        )
    if done > phase.first_step:
        lines.append(f"continuing at step {done:,}")
    if strategy.replicas > 1:
        rows = strategy.per_replica(phase.batch_size)
        lines.append(
            f"{strategy.devices()}, {rows} of {phase.batch_size} windows each"
        )
    return "\n".join(lines)


def _steps(phases, phase):
    if len(phases) == 1:
        return f"{phase.last_step:,} steps"
    return (
        f"phase {phases.index(phase) + 1} of {len(phases)}, steps "
        f"{phase.first_step:,} to {phase.last_step:,}"
    )
