"""Data parallelism over PyTorch's processes, one a device."""

import os

import torch
from torch import distributed

from keras_rtd.training.strategy import Strategy
from keras_rtd.training.strategy import StrategyError
from keras_rtd.utils import replicas_torch

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Ddp(Strategy):
    """Processes of torchrun: NCCL between GPUs, gloo between CPUs."""

    name = "ddp"
    lost_errors = (RuntimeError,)

    def __init__(self, **options):
        super().__init__()
        missing = [name for name in VARIABLES if name not in os.environ]
        if missing:
            raise StrategyError(
                "The strategy 'ddp' is started by torchrun, one process a "
                "device: torchrun --nproc_per_node=8 recipes/… "
                f"--strategy=ddp. Missing: {', '.join(missing)}"
            )
        self._made_group = not distributed.is_initialized()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        if self._made_group:
            distributed.init_process_group(
                "nccl" if torch.cuda.is_available() else "gloo"
            )
        self.worker = distributed.get_rank()
        self.workers = self.replicas = distributed.get_world_size()

    def devices(self):
        kind = "CPU"
        if torch.cuda.is_available():
            kind = torch.cuda.get_device_name()
        return f"{self.workers} {kind} processes"

    def after_restore(self, model):
        # Only process 0 is sure to see the checkpoint.
        variables = list(model.variables)
        if model.optimizer is not None:
            variables += model.optimizer.variables
        replicas_torch.copy_from_first(variables)

    def is_loss(self, error):
        words = ("gloo", "nccl", "connection", "distributed", "socket")
        return any(word in str(error).lower() for word in words)

    def any(self, flag):
        (total,) = replicas_torch.total([torch.tensor(int(flag))])
        return bool(total)

    def close(self):
        if self._made_group and distributed.is_initialized():
            distributed.destroy_process_group()
