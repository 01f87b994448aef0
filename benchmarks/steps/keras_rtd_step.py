"""This project's step."""

import keras_rtd


def make(case, batches):
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[case.dtype]
    pretrainer = keras_rtd.models.ElectraPretrainer.from_preset(
        f"electra_{case.model}_uncased_en",
        dtype=policy,
        dropout=0.0,
        load_weights=False,
        remat=case.variant == "remat",
    )
    name, _, value = case.variant.partition("=")
    if name == "accumulate_steps":
        pretrainer.compile(accumulate_steps=int(value))

    def step(i):
        logs = pretrainer.train_on_batch(
            batches[i % len(batches)], return_dict=True
        )
        return float(logs["loss"])

    return step
