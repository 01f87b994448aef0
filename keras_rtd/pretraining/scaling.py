"""What a pre-training needs of several devices, on paper.

    python -m keras_rtd.pretraining.scaling

prints the tables of docs/scaling.md. Nothing here was measured on such devices;
see `estimate` for what is assumed.
"""

import dataclasses
import json
import types

from keras_rtd import objectives
from keras_rtd.models import families
from keras_rtd.models.bundled import DIRECTORY

# Weight, gradient and Adam's two moments, float32; a bfloat16 copy in use.
STATE_BYTES = 4 + 4 + 8 + 2
GRADIENT_BYTES = 4
ACTIVATION_BYTES = 2


@dataclasses.dataclass(frozen=True)
class Device:
    """A device as its vendor describes it.

    Attributes:
        flops: float. Dense bfloat16 products, FLOP/s.
        memory: float. Bytes.
        link: float. Bytes a second that it sends to others.
    """

    name: str
    flops: float
    memory: float
    link: float


H100 = Device("H100 SXM", 989e12, 80e9, 450e9)
V5E = Device("TPU v5e", 197e12, 16e9, 200e9)


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A published pre-training: preset, windows, steps, masked positions."""

    preset: str
    batch_size: int
    sequence_length: int
    steps: int
    predictions: int


# google-research/electra, configure_pretraining.py, and the paper's appendix.
BASE = Schedule("electra_base_uncased_en", 256, 512, 766_000, 79)
LARGE = Schedule("electra_large_uncased_en", 2048, 512, 400_000, 130)


def estimate(schedule, device, count, utilisation=0.4, overlap=0.0):
    """Memory, traffic and time of data-parallel training.

    Products run at `utilisation` of the device's peak. Gradients of all
    weights are added up in a ring once a step, in float32, of which the share
    `overlap` hides behind the backward pass. Input and the checkpoint's copy
    are free.

    Args:
        schedule: `Schedule`.
        device: `Device`.
        count: int. Devices, which share a batch evenly.
        utilisation: float, from 0 to 1. Defaults to 0.4.
        overlap: float, from 0 to 1. Defaults to 0, what PyTorch's strategy
            does here.

    Returns:
        dict of floats: `parameters`, `memory_bytes` and `traffic_bytes` of a
        device and step, `step_seconds`, `tokens_per_second` of all devices,
        `hours` of the schedule.

    Raises:
        ValueError: a batch that the devices cannot share.
    """
    if schedule.batch_size % count:
        raise ValueError(
            f"`count` must divide the batch of {schedule.batch_size}. "
            f"Received: {count}"
        )
    sizes = preset_sizes(schedule.preset)
    parameters = parameter_count(sizes)
    tokens = schedule.batch_size * schedule.sequence_length // count
    flops = tokens * sizes.objective.flops_per_token(
        sizes, schedule.sequence_length, schedule.predictions
    )
    traffic = ring_bytes(parameters * GRADIENT_BYTES, count)
    seconds = flops / (utilisation * device.flops)
    seconds += (1.0 - overlap) * traffic / device.link
    return {
        "parameters": float(parameters),
        "memory_bytes": parameters * STATE_BYTES
        + activation_bytes(sizes, schedule, tokens),
        "traffic_bytes": traffic,
        "step_seconds": seconds,
        "tokens_per_second": tokens * count / seconds,
        "hours": schedule.steps * seconds / 3600,
    }


def ring_bytes(size, count):
    """Bytes each of `count` devices sends to add up `size` bytes in a ring:
    every part goes round once to be added and once to be known."""
    return 2.0 * (count - 1) / count * size


def parameter_count(sizes):
    """Trainable weights of generator and discriminator with their heads.

    Args:
        sizes: what `preset_sizes` returns.

    Returns:
        int.
    """
    backbone, generator = sizes.backbone, sizes.generator
    embedding = backbone.embedding_dim
    total = backbone.embedding_parameters()
    total += backbone.encoder_parameters() + generator.encoder_parameters()
    total += backbone.detection_head_parameters()
    total += generator.hidden_dim * embedding + 3 * embedding
    if generator.scale_input:
        total += generator.hidden_dim
    if backbone.norm_in_heads:
        total -= embedding
    return total + backbone.vocabulary_size


def activation_bytes(sizes, schedule, tokens):
    """Bytes kept for the backward pass, bfloat16: of both encoders, and the
    logits of the vocabulary."""
    length = schedule.sequence_length
    total = sum(
        encoder.activation_numbers(length)
        for encoder in (sizes.backbone, sizes.generator)
    )
    logits = schedule.predictions / length * sizes.backbone.vocabulary_size
    return ACTIVATION_BYTES * tokens * (total + logits)


def preset_sizes(name):
    """The encoders' sizes of a bundled preset, without making weights."""
    task = json.loads((DIRECTORY / name / "task.json").read_text("utf-8"))
    return types.SimpleNamespace(
        backbone=families.facts(task["config"]["backbone"]),
        generator=families.facts(task["config"]["generator"]),
        objective=objectives.get(task["config"]["objective"]),
    )


def table(schedules, devices):
    """Markdown lines of `estimate` for all pairs.

    Args:
        schedules: list of `Schedule`.
        devices: list of (`Device`, count).

    Returns:
        list of strings.
    """
    lines = [
        "| model | devices | memory of one | its traffic a step | a step, not "
        "overlapped | tokens/s | schedule | the same, overlapped |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for schedule in schedules:
        for device, count in devices:
            plain = estimate(schedule, device, count)
            hidden = estimate(schedule, device, count, overlap=1.0)
            fits = plain["memory_bytes"] <= device.memory
            lines.append(
                f"| {schedule.preset.split('_')[1]} "
                f"| {count} x {device.name} "
                f"| {plain['memory_bytes'] / 1e9:.1f} GB"
                f"{'' if fits else f' of {device.memory / 1e9:.0f}'} "
                f"| {plain['traffic_bytes'] / 1e9:.2f} GB "
                f"| {1e3 * plain['step_seconds']:,.0f} ms "
                f"| {plain['tokens_per_second'] / 1e6:.2f} M "
                f"| {plain['hours']:,.0f} h "
                f"| {hidden['hours']:,.0f} h |"
            )
    return lines


if __name__ == "__main__":
    print("\n".join(table([BASE, LARGE], [(H100, 8), (V5E, 64)])))
