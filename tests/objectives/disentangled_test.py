"""Gradient-disentangled embedding sharing, and the generator's own clip."""

import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.interop import huggingface
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector

SIZE = len(tiny.VOCABULARY)
SGD_LIKE = {"learning_rate": 0.1, "warmup_steps": 0, "weight_decay": 0.0}


def numpy(x):
    return np.array(ops.convert_to_numpy(x))


def pair(tmp_path, **kwargs):
    """A pretrainer with shared embeddings, and the same one disentangled."""
    shared = tiny.pretrainer(with_tokenizer=True)
    shared.save_to_preset(str(tmp_path / "shared"))
    apart = ElectraPretrainer.from_preset(
        str(tmp_path / "shared"),
        embedding_sharing="gradient_disentangled",
        **kwargs,
    )
    return shared, apart


def batch():
    made = tiny.batch()
    return {**made, "sampled_ids": (made["mask_ids"] + 1).astype("int32")}


def test_it_starts_as_the_shared_one(tmp_path):
    shared, apart = pair(tmp_path)
    for table in ("token_table", "position_table", "segment_table"):
        assert not numpy(getattr(apart.backbone.embeddings, table)).any()
    first = shared.predict_on_batch(batch())
    second = apart.predict_on_batch(batch())
    for name in first:
        np.testing.assert_allclose(
            numpy(first[name]), numpy(second[name]), atol=1e-5
        )


def test_the_discriminator_does_not_pull_at_the_generators_table(tmp_path):
    _, apart = pair(
        tmp_path,
        objective_config={"generator_weight": 0.0},
        optimizer_config=SGD_LIKE,
    )
    table = apart.generator.embeddings.token_table
    delta = apart.backbone.embeddings.token_table
    before = numpy(table)
    apart.train_on_batch(batch())
    np.testing.assert_array_equal(numpy(table), before)
    seen = np.unique(apart.predict_on_batch(batch())["corrupted_token_ids"])
    moved = np.flatnonzero(np.abs(numpy(delta)).max(1) > 0)
    # Padding stands in no loss.
    np.testing.assert_array_equal(moved, seen[seen > 0])


def test_the_generator_moves_both(tmp_path):
    _, apart = pair(
        tmp_path,
        objective_config={"discriminator_weight": 0.0},
        optimizer_config=SGD_LIKE,
    )
    before = numpy(apart.backbone.embeddings.tables()[0])
    apart.train_on_batch(batch())
    assert not numpy(apart.backbone.embeddings.token_table).any()
    assert np.abs(numpy(apart.backbone.embeddings.tables()[0]) - before).max()


@pytest.mark.run_once
def test_presets_hold_one_table_for_the_encoder(tmp_path):
    _, apart = pair(tmp_path)
    for _ in range(3):
        apart.train_on_batch(batch())
    path = str(tmp_path / "apart")
    apart.save_to_preset(path)
    outputs = apart.predict_on_batch(batch())
    again = ElectraPretrainer.from_preset(path)
    assert again.embedding_sharing == "gradient_disentangled"
    for name, value in again.predict_on_batch(batch()).items():
        np.testing.assert_allclose(
            numpy(value), numpy(outputs[name]), atol=1e-5
        )
    inputs = {
        "token_ids": numpy(outputs["corrupted_token_ids"]),
        "segment_ids": batch()["segment_ids"],
        "padding_mask": batch()["padding_mask"].astype("int32"),
    }
    detectors = [
        apart.replaced_token_detector(),
        ElectraReplacedTokenDetector.from_preset(path),
    ]
    for detector in detectors:
        assert detector.backbone.embeddings.base() is None
        found = detector(inputs)["discriminator_logits"]
        np.testing.assert_allclose(
            numpy(found), outputs["discriminator_logits"], atol=1e-5
        )
    backbone = ElectraBackbone.from_preset(path)
    np.testing.assert_allclose(
        numpy(backbone.embeddings.token_table),
        numpy(apart.backbone.embeddings.tables()[0]),
        atol=1e-7,
    )
    shared = ElectraPretrainer.from_preset(path, embedding_sharing="shared")
    np.testing.assert_allclose(
        shared.predict_on_batch(batch())["discriminator_logits"],
        outputs["discriminator_logits"],
        atol=1e-5,
    )


def test_other_formats_get_the_sums(tmp_path):
    pytest.importorskip("safetensors")
    _, apart = pair(tmp_path)
    apart.train_on_batch(batch())
    with pytest.raises(ValueError, match="replaced_token_detector"):
        from keras_rtd.interop import google

        google.to_variables(apart)
    huggingface.save(apart, str(tmp_path / "hf"))
    detector = huggingface.load(str(tmp_path / "hf" / "discriminator"))
    np.testing.assert_allclose(
        numpy(detector.backbone.embeddings.token_table)[:SIZE],
        numpy(apart.backbone.embeddings.tables()[0])[:SIZE],
        atol=1e-7,
    )


def test_wrong_sharing_is_named():
    with pytest.raises(ValueError, match="must be one of shared, gradient_d"):
        ElectraPretrainer.from_preset(
            "electra_tiny_uncased_en", embedding_sharing="none"
        )
    with pytest.raises(ValueError, match="needs an objective with a gener"):
        ElectraPretrainer.from_preset(
            "electra_tiny_uncased_en",
            objective="mlm",
            embedding_sharing="gradient_disentangled",
        )
