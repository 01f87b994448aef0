import h5py
import keras
import keras_hub
import numpy as np
import pytest
import tiny
from keras import ops

import keras_rtd
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import RtdBackbone
from keras_rtd.models import families

GENTLE = {"learning_rate": 3e-3, "warmup_steps": 10, "bias_correction": True}


def numpy(outputs):
    return {name: ops.convert_to_numpy(v) for name, v in outputs.items()}


def weights(model):
    return [ops.convert_to_numpy(v) for v in model.weights]


def test_output_names_shapes_and_dtypes():
    outputs = numpy(tiny.pretrainer().predict_on_batch(tiny.batch()))
    size = len(tiny.VOCABULARY)
    assert {k: v.shape for k, v in outputs.items()} == {
        "generator_logits": (4, 3, size),
        "sampled_ids": (4, 3),
        "corrupted_token_ids": (4, 16),
        "is_replaced": (4, 16),
        "discriminator_logits": (4, 16),
    }
    assert outputs["generator_logits"].dtype == np.float32
    assert outputs["discriminator_logits"].dtype == np.float32
    assert outputs["sampled_ids"].dtype == np.int32
    assert outputs["sampled_ids"].max() < size


def test_corruption_is_what_the_samples_say():
    batch = tiny.batch()
    outputs = numpy(tiny.pretrainer().predict_on_batch(batch))
    expected = batch["token_ids"].copy()
    for row in range(4):
        for slot in range(3):
            if batch["mask_weights"][row, slot]:
                position = batch["mask_positions"][row, slot]
                expected[row, position] = outputs["sampled_ids"][row, slot]
    np.testing.assert_array_equal(outputs["corrupted_token_ids"], expected)
    np.testing.assert_array_equal(
        outputs["is_replaced"], expected != batch["token_ids"]
    )


def test_a_correct_sample_counts_as_original():
    batch = tiny.batch()
    batch["sampled_ids"] = batch["mask_ids"]
    outputs = numpy(tiny.pretrainer().predict_on_batch(batch))
    assert not outputs["is_replaced"].any()


def test_given_corrupted_ids_are_used_as_they_stand():
    batch = tiny.batch()
    corrupted = batch["token_ids"].copy()
    corrupted[1, 2] = 7
    corrupted[0, -1] = 9  # padding there: never counted
    assert not batch["padding_mask"][0, -1] or corrupted[0, -1] == 9
    batch["corrupted_token_ids"] = corrupted
    outputs = numpy(tiny.pretrainer().predict_on_batch(batch))
    np.testing.assert_array_equal(outputs["corrupted_token_ids"], corrupted)
    expected = (corrupted != batch["token_ids"]) & batch["padding_mask"]
    np.testing.assert_array_equal(outputs["is_replaced"], expected)


def test_slots_of_weight_zero_change_nothing():
    model, batch = tiny.pretrainer(), tiny.batch()
    batch["sampled_ids"] = batch["mask_ids"] + 1
    first = model.test_on_batch(batch, return_dict=True)
    assert batch["mask_weights"][0, -1] == 0
    batch["mask_ids"][0, -1] = 30
    batch["sampled_ids"][0, -1] = 31
    batch["mask_positions"][0, -1] = 5
    model.reset_metrics()
    second = model.test_on_batch(batch, return_dict=True)
    assert {k: float(v) for k, v in first.items()} == {
        k: float(v) for k, v in second.items()
    }


def test_generator_and_discriminator_share_one_embedding():
    model = tiny.pretrainer()
    tables = [v for v in model.weights if v.name == "token_embedding"]
    assert len({id(v) for v in tables}) == 1
    assert model.generator.embeddings is model.discriminator.embeddings
    other = tiny.pretrainer()
    with pytest.raises(ValueError, match="embeddings=backbone.embeddings"):
        ElectraPretrainer(model.backbone, other.generator)


def test_no_gradient_from_detection_to_the_generator():
    model = tiny.pretrainer(
        objective_config={"generator_weight": 0.0},
        optimizer_config={
            "learning_rate": 0.1,
            "warmup_steps": 0,
            "weight_decay": 0.0,
        },
    )
    before = [ops.convert_to_numpy(v).copy() for v in model.generator_variables]
    model.train_on_batch(tiny.batch())
    for old, variable in zip(before, model.generator_variables):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(variable))


def test_training_memorises_a_batch():
    model, batch = tiny.pretrainer(optimizer_config=GENTLE), tiny.batch()
    batch["sampled_ids"] = batch["mask_ids"] + 1
    losses = []
    for _ in range(100):
        model.reset_metrics()
        logs = model.train_on_batch(batch, return_dict=True)
        losses.append(float(logs["loss"]))
    assert losses[-1] < 0.5 * losses[0]
    assert float(logs["discriminator_auc"]) > 0.95


def test_evaluating_is_repeatable_and_leaves_training_alone():
    data = [(tiny.batch(i),) for i in range(3)]

    def trained(evaluate):
        keras.utils.set_random_seed(0)
        model = tiny.pretrainer(dropout=0.1)
        for step, (batch,) in enumerate(data):
            model.train_on_batch(batch)
            if evaluate and step == 1:
                model.evaluate((b for b in data), verbose=0)
        return model

    model = trained(evaluate=True)
    first = model.evaluate((b for b in data), verbose=0, return_dict=True)
    second = model.evaluate((b for b in data), verbose=0, return_dict=True)
    assert first == second
    for a, b in zip(weights(model), weights(trained(evaluate=False))):
        np.testing.assert_array_equal(a, b)


def test_same_seed_same_run():
    def run():
        keras.utils.set_random_seed(3)
        model = tiny.pretrainer(dropout=0.1)
        for seed in range(3):
            model.train_on_batch(tiny.batch(seed))
        return weights(model)

    for a, b in zip(run(), run()):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_with_float32_weights_and_logits(dtype):
    model = tiny.pretrainer(dtype=dtype, optimizer_config=GENTLE)
    batch = tiny.batch()
    first = float(model.train_on_batch(batch, return_dict=True)["loss"])
    for _ in range(20):
        model.reset_metrics()
        last = float(model.train_on_batch(batch, return_dict=True)["loss"])
    assert np.isfinite(last) and last < first
    assert all(v.dtype == "float32" for v in model.trainable_variables)
    outputs = numpy(model.predict_on_batch(batch))
    assert outputs["generator_logits"].dtype == np.float32
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (dtype == "mixed_float16")


def test_skipped_steps_are_counted():
    model = tiny.pretrainer(dtype="mixed_float16", optimizer_config=GENTLE)
    scale = model.optimizer.dynamic_scale
    # From here on no step overflows by itself.
    scale.assign(1.0)
    for seed in range(6):
        batch = tiny.batch(seed)
        if seed in (2, 3):
            batch["mask_weights"] = batch["mask_weights"] * np.inf
        with np.errstate(invalid="ignore"):
            model.train_on_batch(batch)
    assert model.skipped_steps() == 2
    assert float(ops.convert_to_numpy(scale)) == 0.25


def test_preset_round_trip_is_exact(tmp_path):
    model = tiny.pretrainer(with_tokenizer=True)
    model.train_on_batch(tiny.batch())
    model.save_to_preset(str(tmp_path / "mine"))
    with h5py.File(tmp_path / "mine" / "task.weights.h5") as file:
        assert "optimizer" not in file
    copy = ElectraPretrainer.from_preset(str(tmp_path / "mine"))
    for a, b in zip(weights(model), weights(copy)):
        np.testing.assert_array_equal(a, b)
    assert copy.optimizer_config == model.optimizer_config
    assert copy.tokenizer.get_vocabulary() == tiny.VOCABULARY
    assert copy.generator.embeddings is copy.discriminator.embeddings
    batch = {**tiny.batch(), "sampled_ids": tiny.batch()["mask_ids"] + 1}
    first = numpy(model.predict_on_batch(batch))
    second = numpy(copy.predict_on_batch(batch))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_every_class_loads_from_a_pretrainers_preset(tmp_path):
    model = tiny.pretrainer(with_tokenizer=True)
    path = str(tmp_path / "mine")
    model.save_to_preset(path)
    batch = {**tiny.batch(), "sampled_ids": tiny.batch()["mask_ids"] + 1}
    outputs = numpy(model.predict_on_batch(batch))
    inputs = {
        "token_ids": outputs["corrupted_token_ids"],
        "segment_ids": batch["segment_ids"],
        "padding_mask": batch["padding_mask"].astype("int32"),
    }
    detector = ElectraReplacedTokenDetector.from_preset(path)
    np.testing.assert_allclose(
        ops.convert_to_numpy(detector(inputs)["discriminator_logits"]),
        outputs["discriminator_logits"],
        atol=1e-5,
    )
    generator = ElectraMaskedLM.from_preset(path)
    inputs["token_ids"] = batch["masked_token_ids"]
    logits = generator({**inputs, "mask_positions": batch["mask_positions"]})
    np.testing.assert_allclose(
        ops.convert_to_numpy(logits), outputs["generator_logits"], atol=1e-5
    )
    for backbone in (
        ElectraBackbone.from_preset(path),
        keras_hub.models.Backbone.from_preset(path),
    ):
        assert isinstance(backbone, ElectraBackbone)
        for a, b in zip(weights(model.backbone), weights(backbone)):
            np.testing.assert_array_equal(a, b)


def test_detector_saves_and_predicts_text(tmp_path):
    detector = tiny.pretrainer(with_tokenizer=True).replaced_token_detector()
    scores = detector.predict(["the time was now.", "she"], verbose=0)
    assert scores["discriminator_logits"].shape == (2, 16)
    detector.save_to_preset(str(tmp_path / "detector"))
    copy = ElectraReplacedTokenDetector.from_preset(str(tmp_path / "detector"))
    again = copy.predict(["the time was now.", "she"], verbose=0)
    np.testing.assert_allclose(
        scores["discriminator_logits"],
        again["discriminator_logits"],
        atol=1e-6,
    )


def test_bundled_presets_have_the_published_sizes():
    published = {
        "tiny": (4, 128, 2, 128, 8192, 4, 64, 1),
        "small": (12, 256, 4, 128, 30522, 12, 64, 1),
        "base": (12, 768, 12, 768, 30522, 12, 256, 4),
        "large": (24, 1024, 16, 1024, 30522, 24, 256, 4),
    }
    from keras_rtd.models.presets import read_task

    names = {f"electra_{size}_uncased_en": size for size in published}
    # Its tiny's generator is a quarter as wide as its discriminator.
    published["tiny, modern"] = (4, 128, 2, 128, 8192, 4, 32, 1)
    names["rtd_modern_tiny_uncased_en"] = "tiny, modern"
    # ModernBERT's embeddings are as wide as the model.
    published["mini"] = (6, 256, 4, 256, 8192, 6, 64, 1)
    published["small, modern"] = (12, 256, 4, 256, 30522, 12, 64, 1)
    names["rtd_modern_mini_uncased_en"] = "mini"
    names["rtd_modern_small_uncased_en"] = "small, modern"
    names["rtd_modern_base_uncased_en"] = "base"
    # DeBERTaV3's generators are as wide, and half as deep.
    for size, sizes in {
        "tiny": (4, 128, 2, 128, 8192, 2, 128, 2),
        "xsmall": (12, 384, 6, 384, 32000, 6, 384, 6),
        "small": (6, 768, 12, 768, 32000, 3, 768, 12),
        "base": (12, 768, 12, 768, 32000, 6, 768, 12),
        "large": (24, 1024, 16, 1024, 32000, 12, 1024, 16),
    }.items():
        published[f"deberta {size}"] = sizes
        names[f"rtd_deberta_v3_{size}_en"] = f"deberta {size}"
    for name, size in names.items():
        expected = published[size]
        config = read_task(ElectraPretrainer, name)["config"]
        d = config["backbone"]["config"]
        g = config["generator"]["config"]
        assert (
            d["num_layers"],
            d["hidden_dim"],
            d["num_heads"],
            d["embedding_dim"],
            d["vocabulary_size"],
            g["num_layers"],
            g["hidden_dim"],
            g["num_heads"],
        ) == expected
        # GeGLU has three kernels where the classic layer has two.
        modern = name.startswith("rtd_modern")
        for encoder in (d, g):
            inner = 4 * encoder["hidden_dim"] * (2 / 3 if modern else 1)
            assert abs(encoder["intermediate_dim"] - inner) <= 4
        for part in ("backbone", "generator"):
            backbone_cls, _ = families.resolve(config[part])
            assert backbone_cls.family in name.replace(
                "rtd_modern", "modernbert"
            )
        assert name in backbone_cls.presets
        assert name in RtdBackbone.presets


def test_tiny_preset_and_its_overrides():
    model = ElectraPretrainer.from_preset(
        "electra_tiny_uncased_en",
        load_weights=False,
        dropout=0.3,
        max_sequence_length=64,
        sequence_length=32,
    )
    for encoder in (model.discriminator, model.generator):
        assert encoder.dropout == 0.3
        assert encoder.max_sequence_length == 64
    assert model.preprocessor.sequence_length == 32
    assert model.tokenizer.vocabulary_size() == 8192


def test_another_tokenizer_sets_the_vocabulary(tmp_path):
    with pytest.warns(UserWarning, match="tokenizer.: starting from fresh"):
        model = ElectraPretrainer.from_preset(
            "electra_tiny_uncased_en", tokenizer=tiny.tokenizer()
        )
    size = len(tiny.VOCABULARY)
    assert model.backbone.vocabulary_size == size
    assert model.generator.vocabulary_size == size
    model.save_to_preset(str(tmp_path / "own"))
    copy = ElectraPretrainer.from_preset(str(tmp_path / "own"))
    assert copy.tokenizer.get_vocabulary() == tiny.VOCABULARY


@pytest.mark.run_once
def test_classes_with_weights_to_load_refuse_a_preset_without():
    for cls in (
        ElectraBackbone,
        ElectraReplacedTokenDetector,
        ElectraMaskedLM,
    ):
        with pytest.raises((ValueError, FileNotFoundError), match="weights"):
            cls.from_preset("electra_small_uncased_en")
        assert cls.from_preset(
            "electra_small_uncased_en", load_weights=False, num_layers=1
        )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"preset": "electra_huge"}, "electra_tiny_uncased_en"),
        ({"preset": 3}, "bundled name or a directory"),
        ({"preset": "electra_tiny_uncased_en", "dropuot": 0.1}, "dropuot"),
    ],
)
def test_from_preset_names_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        ElectraPretrainer.from_preset(**arguments)


def test_batches_without_a_key_or_with_labels_are_refused():
    model, batch = tiny.pretrainer(), tiny.batch()
    with pytest.raises(ValueError, match="without labels"):
        model.train_on_batch(batch, np.zeros(4))
    del batch["mask_ids"]
    with pytest.raises(ValueError, match="Missing: \\['mask_ids'\\]"):
        model.train_on_batch(batch)


@pytest.mark.parametrize("name", ["num_layers", "hidden_dim"])
def test_backbone_names_a_bad_size(name):
    sizes = dict.fromkeys(
        ("vocabulary_size", "num_layers", "hidden_dim", "embedding_dim"), 8
    )
    with pytest.raises(ValueError, match=f"`{name}` must be an int"):
        ElectraBackbone(**{**sizes, name: 0}, num_heads=2, intermediate_dim=8)


def test_public_names():
    assert keras_rtd.models.ElectraPretrainer is ElectraPretrainer
    assert callable(keras_rtd.export.saved_model)
    assert callable(keras_rtd.data.pretraining_dataset)


def test_functional_and_subclassed_tasks_live_side_by_side():
    batch = tiny.batch()
    inputs = {
        "token_ids": batch["token_ids"],
        "segment_ids": batch["segment_ids"],
        "padding_mask": batch["padding_mask"].astype("int32"),
    }
    first = tiny.pretrainer()
    detector = first.replaced_token_detector()
    logits = ops.convert_to_numpy(detector(inputs)["discriminator_logits"])
    second = tiny.pretrainer()
    second.train_on_batch(batch)
    first.predict_on_batch(batch)
    again = ops.convert_to_numpy(detector(inputs)["discriminator_logits"])
    np.testing.assert_array_equal(logits, again)


def test_a_step_runs_the_model_once(monkeypatch):
    model = tiny.pretrainer()
    runs = []
    forward = model.objective.forward

    def counted(*args, **kwargs):
        runs.append(kwargs["training"])
        return forward(*args, **kwargs)

    monkeypatch.setattr(model.objective, "forward", counted)
    model.train_on_batch(tiny.batch())
    # Keras would trace a model that it takes for unbuilt once more.
    assert runs == [True]
