"""Documents that share a row know nothing of each other."""

import keras
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.layers.embedding import positions_within
from keras_rtd.models import families

KINDS = {
    "electra": {"family": "electra"},
    "modernbert": {"family": "modernbert", "local_attention_window": None},
    "local": {"family": "modernbert", "local_attention_window": 4},
    "deberta_v3": {"family": "deberta_v3", "enhanced_mask_decoder": True},
    "one direction": {"family": "electra", "direction": "right_to_left"},
}
LENGTHS = (9, 5, 11)


def encoder(family, **kwargs):
    return families.get(family)(
        vocabulary_size=50,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        embedding_dim=12,
        intermediate_dim=24,
        max_sequence_length=32,
        kernel_stddev=0.3,
        **kwargs,
    )


def row(padding=3, seed=0):
    """Documents of LENGTHS in one row, and padding."""
    rng = np.random.default_rng(seed)
    numbers = np.repeat([1, 2, 3, 0], [*LENGTHS, padding])[None]
    return {
        "token_ids": rng.integers(5, 50, numbers.shape).astype("int32"),
        "segment_ids": np.zeros(numbers.shape, np.int32),
        "padding_mask": (numbers > 0).astype("int32"),
        "document_ids": numbers.astype("int32"),
    }


def vectors(model, batch):
    return ops.convert_to_numpy(model(batch)["sequence_output"])[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_in_company_is_as_alone(kind):
    model, batch = encoder(**KINDS[kind]), row()
    together = vectors(model, batch)
    for number, length in enumerate(LENGTHS, start=1):
        place = batch["document_ids"][0] == number
        alone = {
            name: value[:, place]
            for name, value in batch.items()
            if name != "document_ids"
        }
        np.testing.assert_allclose(
            together[place], vectors(model, alone), rtol=1e-4, atol=1e-5
        )
        assert place.sum() == length
    del batch["document_ids"]
    assert np.abs(vectors(model, batch) - together).max() > 1e-2


def test_positions_begin_anew_with_every_document():
    ids = np.array([[1, 1, 1, 2, 3, 3, 0, 0], [1] * 8])
    found = ops.convert_to_numpy(positions_within(ids))
    assert found.tolist() == [[0, 1, 2, 0, 0, 1, 0, 1], list(range(8))]


def shared_batch(seed=0, length=16):
    """The batch of `tiny` with rows of two documents each."""
    batch = tiny.batch(seed, length=length)
    real = batch["padding_mask"]
    second = np.arange(length)[None] >= length // 3
    batch["document_ids"] = ((1 + second) * real).astype("int32")
    return batch


@pytest.mark.parametrize(
    "family",
    [
        pytest.param("electra", marks=pytest.mark.run_once),
        "modernbert",
        "deberta_v3",
    ],
)
def test_training_a_shared_row_is_training_its_documents(family):
    """Same loss, and same weights after a step, as a row each."""
    models = []
    for shared in (True, False):
        keras.utils.set_random_seed(0)
        model = tiny.pretrainer(family=family, kernel_stddev=0.1)
        batch = shared_batch()
        batch["sampled_ids"] = batch["mask_ids"] + 1
        if not shared:
            batch = apart(batch)
        logs = model.train_on_batch(batch, return_dict=True)
        models.append((model, float(logs["loss"])))
    (one, loss), (other, expected) = models
    assert loss == pytest.approx(expected, rel=1e-5)
    keras.utils.set_random_seed(0)
    start = tiny.pretrainer(family=family, kernel_stddev=0.1)
    moved = total = 0.0
    for a, b, c in zip(*(m.trainable_variables for m in (one, other, start))):
        a, b, c = (ops.convert_to_numpy(v) for v in (a, b, c))
        moved += float(np.sum((a - b) ** 2))
        total += float(np.sum((b - c) ** 2))
    assert moved < 1e-8 * total


def apart(batch):
    """Each document of the rows in a row of its own."""
    rows = []
    for number in (1, 2):
        here = batch["document_ids"] == number
        start = here.argmax(axis=1)
        order = np.argsort(~here, axis=1, kind="stable")
        size = here.sum(axis=1, keepdims=True)
        real = np.arange(here.shape[1])[None] < size

        def moved(x, order=order, real=real):
            return np.take_along_axis(x, order, 1) * real

        slots = np.take_along_axis(here, batch["mask_positions"], 1)
        rows.append(
            {
                **{
                    name: moved(batch[name])
                    for name in ("token_ids", "segment_ids", "masked_token_ids")
                },
                "padding_mask": real,
                "mask_positions": (
                    (batch["mask_positions"] - start[:, None]) * slots
                ).astype("int32"),
                "mask_ids": batch["mask_ids"],
                "sampled_ids": batch["sampled_ids"],
                "mask_weights": batch["mask_weights"] * slots,
            }
        )
    return {name: np.concatenate([r[name] for r in rows]) for name in rows[0]}


def test_objectives_with_two_towers_train_on_shared_rows():
    model = tiny.pretrainer(objective="electric", family="modernbert")
    losses = [
        float(model.train_on_batch(shared_batch(), return_dict=True)["loss"])
        for _ in range(12)
    ]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
