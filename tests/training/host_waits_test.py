"""A training step on PyTorch does not wait for the device."""

import collections
import sys

import keras
import pytest
import tiny

if keras.config.backend() != "torch":
    pytest.skip("other backends run whole programs", allow_module_level=True)

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# Operations that wait on a GPU: `_local_scalar_dense` reads a number, for
# `item`, `int`, `bool`, `float` and for numbers that C++ asks for; the results
# of the others have a size that only the device knows.
OPERATIONS = {
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "masked_select",
    "nonzero",
    "repeat_interleave",
}
# They wait too, but dispatch no operation on a CPU.
METHODS = ("cpu", "numpy", "tolist")


class Waits(TorchDispatchMode):
    """Counts them by the function that asked, outside of PyTorch."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.count = collections.Counter()
        for name in METHODS:
            plain = getattr(torch.Tensor, name)
            monkeypatch.setattr(torch.Tensor, name, self.counted(plain))

    def counted(self, plain):
        def method(*args, **kwargs):
            self.add()
            return plain(*args, **kwargs)

        return method

    def add(self):
        frame = sys._getframe(2)
        while frame.f_globals["__name__"].split(".")[0] == "torch":
            frame = frame.f_back
        self.count[frame.f_code.co_name] += 1

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        indices = args[1] if name in ("index", "index_put_") else ()
        masks = [i for i in indices if i is not None and i.dtype == torch.bool]
        if name in OPERATIONS or masks:
            self.add()
        return operation(*args, **(kwargs or {}))


def test_waits_are_seen(monkeypatch):
    x = torch.tensor([2, 3])

    def asks():
        int(x[0]), float(x[0]), bool(x[0]), x[0].item(), range(x[0])
        torch.full((2,), x[0])
        x.tolist(), x.numpy(), x.cpu()
        x[x > 2], x.nonzero(), torch.where(x > 2)
        torch.repeat_interleave(x, x)

    with Waits(monkeypatch) as waits:
        asks()
    assert waits.count == {"asks": 13}


# Keras makes every random generator of an `int(seed)`: one for the samples
# and one for each dropout.
SEEDS = "torch_seed_generator"


@pytest.mark.parametrize(
    "seeds, options",
    [
        (1, {}),
        (15, {"dropout": 0.1}),
        (1, {"dtype": "mixed_bfloat16"}),
        (1, {"family": "modernbert"}),
        (1, {"family": "deberta_v3"}),
        (1, {"optimizer_config": {"optimizer": "muon"}}),
        (1, {"optimizer_config": {"ema_momentum": 0.9}}),
        (1, {"optimizer_config": {"decoupled_training": True}}),
        (1, {"objective": "electric"}),
        (1, {"objective": "all_tokens_mlm"}),
        (0, {"objective": "mlm"}),
    ],
)
def test_a_step_waits_for_its_seeds_alone(seeds, options, monkeypatch):
    model = tiny.pretrainer(**options)
    batch = {
        name: torch.as_tensor(value) for name, value in tiny.batch().items()
    }
    model.train_step((batch,))
    with Waits(monkeypatch) as waits:
        model.train_step((batch,))
    assert waits.count == ({SEEDS: seeds} if seeds else {})
