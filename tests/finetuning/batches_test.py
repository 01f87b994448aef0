import keras
import numpy as np

from keras_rtd.finetuning.batches import Batches
from keras_rtd.finetuning.batches import predict


def rows(count=37, length=64, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, length + 1, count)
    mask = np.arange(length)[None] < lengths[:, None]
    ids = np.where(mask, np.arange(count)[:, None] + 1, 0)
    return {"token_ids": ids.astype("int32"), "padding_mask": mask}, lengths


def test_an_epoch_has_every_row_once_but_for_the_rest():
    x, lengths = rows()
    labels = np.arange(37)
    data = Batches(x, labels, batch_size=4, seed=1)
    assert len(data) == 9
    seen = []
    for i in range(len(data)):
        batch, y = data[i]
        seen += y.tolist()
        # Row n is full of n + 1, and as wide as the longest row needs.
        assert (batch["token_ids"][:, 0] == y + 1).all()
        width = batch["token_ids"].shape[1]
        longest = lengths[y].max()
        assert longest <= width < longest + 32 and width <= 64
        np.testing.assert_array_equal(batch["padding_mask"].sum(1), lengths[y])
    assert len(set(seen)) == len(seen) == 36


def test_the_order_is_a_function_of_seed_and_epoch_and_can_go_on():
    x, _ = rows()

    def order(**kwargs):
        data = Batches(x, np.arange(37), batch_size=4, **kwargs)
        return [data[i][1].tolist() for i in range(len(data))]

    whole = order(seed=3, epoch=1)
    assert order(seed=3, epoch=1) == whole
    assert order(seed=3, epoch=1, start=5) == whole[5:]
    assert order(seed=3, epoch=2) != whole != order(seed=4, epoch=1)


def test_few_rows_are_one_batch():
    x, _ = rows(count=3)
    assert len(Batches(x, np.arange(3), batch_size=8, seed=0)) == 1


def test_labels_and_weights_of_tokens_are_cut_with_their_rows():
    x, lengths = rows()
    y = {"a": x["token_ids"] * 2, "b": np.arange(37)}
    data = Batches(x, y, x["padding_mask"], batch_size=4, seed=0)
    for i in range(len(data)):
        batch, labels, weights = data[i]
        np.testing.assert_array_equal(labels["a"], batch["token_ids"] * 2)
        np.testing.assert_array_equal(weights, batch["padding_mask"])
        assert labels["b"].shape == (4,)


def test_predictions_come_in_the_rows_order():
    x, lengths = rows()
    inputs = {
        name: keras.Input((None,), name=name, dtype=dtype)
        for name, dtype in (("token_ids", "int32"), ("padding_mask", "bool"))
    }
    ids = keras.ops.cast(inputs["token_ids"], "float32")
    model = keras.Model(
        inputs, {"sum": keras.ops.sum(ids, axis=1), "each": ids * 3.0}
    )
    found = predict(model, x, batch_size=4)
    np.testing.assert_allclose(found["sum"], lengths * np.arange(1, 38))
    np.testing.assert_allclose(found["each"], x["token_ids"] * 3)
