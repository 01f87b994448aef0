"""This project's step."""

import tempfile

import numpy as np

import keras_rtd


def make(case, batches):
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[case.dtype]
    name, _, value = case.variant.partition("=")
    preset = f"electra_{case.model}_uncased_en"
    arguments = {
        "dtype": policy,
        "dropout": 0.0,
        "load_weights": False,
        "remat": name == "remat",
    }
    if name in ("family", "block"):
        arguments[name] = value
    if name == "muon":
        product = "bfloat16" if case.dtype == "bfloat16" else "float32"
        arguments["optimizer_config"] = {
            "optimizer": "muon",
            "product_dtype": product,
        }
    if name not in ("frozen_generator", "replacements"):
        pretrainer = _load(preset, **arguments)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _load(preset, **arguments).save_to_preset(folder)
            pretrainer = _load(preset, frozen_generator=folder, **arguments)
    if name == "replacements":
        rng = np.random.default_rng(1)
        vocabulary = pretrainer.backbone.vocabulary_size
        batches = [
            {
                **batch,
                "sampled_ids": rng.integers(
                    5, vocabulary, batch["mask_ids"].shape
                ).astype("int32"),
            }
            for batch in batches
        ]
    if name == "accumulate_steps":
        pretrainer.compile(accumulate_steps=int(value))

    def step(i):
        logs = pretrainer.train_on_batch(
            batches[i % len(batches)], return_dict=True
        )
        return float(logs["loss"])

    return step


def _load(preset, **arguments):
    return keras_rtd.models.ElectraPretrainer.from_preset(preset, **arguments)
