"""Batches of rows of like length."""

import keras
import numpy as np

# Batches that are sorted by length together, before they are shuffled.
POOL = 64


class Batches(keras.utils.PyDataset):
    """Batches of prepared rows, no wider than their longest row needs.

    The order is a function of seed and epoch. Rows that do not fill a batch
    are left out of the epoch, unless there are no more.

    Args:
        x: dict of arrays, as a preprocessor returns them.
        y: array, dict of arrays or `None`.
        weights: array or `None`.
        batch_size: int.
        seed: int or `None`. `None` keeps the rows in order, all of them, and
            fills the last batch with its last row.
        epoch: int. Defaults to 0.
        start: int. Batches of the epoch to leave out: they were seen before
            an interruption. Defaults to 0.
    """

    def __init__(
        self,
        x,
        y=None,
        weights=None,
        batch_size=32,
        seed=None,
        epoch=0,
        start=0,
    ):
        super().__init__()
        self.x, self.y, self.weights = x, y, weights
        self.full = x["token_ids"].shape[1]
        self.lengths = x["padding_mask"].sum(1)
        if seed is None:
            order = np.argsort(-self.lengths, kind="stable")
            extra = -len(order) % batch_size
            self.order = np.concatenate([order, order[-1:].repeat(extra)])
            self.batches = self.order.reshape(-1, batch_size)
        else:
            self.batches = _shuffled(self.lengths, batch_size, seed, epoch)
        self.batches = self.batches[start:]

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        rows = self.batches[index]
        width = self._width(rows)
        parts = (self.x, self.y, self.weights)
        x, y, weights = (
            keras.tree.map_structure(lambda a: self._cut(a, rows, width), part)
            for part in parts
        )
        if self.y is None:
            return (x,)
        return (x, y) if self.weights is None else (x, y, weights)

    def _cut(self, array, rows, width):
        if array is None:
            return None
        array = array[rows]
        if array.ndim > 1 and array.shape[1] == self.full:
            return array[:, :width]
        return array

    def _width(self, rows):
        # Every width is a program of its own where programs are compiled.
        step = 8 if keras.config.backend() == "torch" else 32
        longest = int(self.lengths[rows].max())
        return min(self.full, -(-longest // step) * step)


def _shuffled(lengths, batch_size, seed, epoch):
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    count = len(order) // batch_size
    if count == 0:
        return order[None]
    order = order[: count * batch_size]
    pools = [
        pool[np.argsort(lengths[pool], kind="stable")]
        for pool in np.split(
            order, range(POOL * batch_size, len(order), POOL * batch_size)
        )
    ]
    batches = np.concatenate(pools).reshape(count, batch_size)
    return batches[rng.permutation(count)]


def predict(model, x, batch_size=64):
    """What `model` says of prepared rows, in their order.

    Args:
        model: a task.
        x: dict of arrays, as a preprocessor returns them.
        batch_size: int.

    Returns:
        array or dict of arrays, one row for each of `x`. Where the model gives
        a value a token, rows are padded with zeros.
    """
    data = Batches(x, batch_size=batch_size)
    parts = [model.predict_on_batch(data[i][0]) for i in range(len(data))]

    def join(*arrays):
        found = [keras.ops.convert_to_numpy(a) for a in arrays]
        if found[0].ndim > 1:
            width = max(a.shape[1] for a in found)
            found = [_widen(a, width) for a in found]
        joined = np.concatenate(found)
        out = np.empty((len(data.lengths), *joined.shape[1:]), joined.dtype)
        out[data.order] = joined
        return out

    return keras.tree.map_structure(join, *parts)


def _widen(array, width):
    space = [(0, 0)] * array.ndim
    space[1] = (0, width - array.shape[1])
    return np.pad(array, space)
