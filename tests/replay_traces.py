"""Recorded trainings of google-research/electra and of microsoft/DeBERTa.

What differs between the two: names, options, and what was recorded.
"""

import json
import re

import numpy as np


class Trace:
    """A recorded training of google-research/electra.

    Args:
        path: an `.npz` file with `config_json`, the reference's options;
            `before/NAME` and `after/NAME`, its variables; `grad0/NAME`, the
            gradients of step 0; and `stepN/…`, batches, outputs and losses.

    Raises:
        ValueError: not such a file.
    """

    # What decides the exit status. An entry of a tensor counts relative to
    # the tensor's largest, or to a floor where all of it is next to nothing.
    LIMITS = {
        "generator loss": 1e-5,
        "discriminator loss": 1e-5,
        "total loss": 1e-5,
        "step-0 gradients": 1e-4,
        "final weights": 1e-4,
    }
    # Of the rows of losses: our metric, and what was recorded.
    LOSSES = {
        "generator loss": ("generator_loss", "generator_loss"),
        "discriminator loss": ("discriminator_loss", "discriminator_loss"),
        "total loss": ("loss", "total_loss"),
    }
    # Left out of the gradients of ELECTRA's traces, and of these alone:
    # softmax does not see what a key's bias adds to all scores of a row, so
    # its gradient is zero by symmetry, and what is recorded is rounding noise.
    # Attention with position scores of its own has no such symmetry.
    NO_GRADIENT = re.compile(r".*/attention/self/key/bias")
    # Whether final weights count as they are, not by each tensor's largest.
    ABSOLUTE = False

    def __init__(self, path):
        with np.load(path) as archive:
            self.arrays = {name: archive[name] for name in archive.files}
        if "config_json" not in self.arrays:
            raise ValueError(f"{path} is no trace: it has no config_json.")
        self.config = json.loads(str(self.arrays["config_json"]))
        steps = {
            int(name.split("/")[0][len("step") :])
            for name in self.arrays
            if name.startswith("step")
        }
        if sorted(steps) != list(range(len(steps))) or not steps:
            raise ValueError(f"{path} is no trace: its steps are {steps}.")
        self.num_steps = len(steps)

    def group(self, prefix):
        """Arrays whose name starts with `prefix/`, without it."""
        prefix += "/"
        return {
            name[len(prefix) :]: array
            for name, array in self.arrays.items()
            if name.startswith(prefix)
        }

    def each_step(self, name):
        """What was recorded under a name at each step, a list."""
        return [self.arrays[f"step{i}/{name}"] for i in range(self.num_steps)]

    def batch(self, step):
        """What a pretrainer is fed at a step."""
        from keras_rtd.training.batch import REQUIRED

        recorded = self.group(f"step{step}")
        recorded.setdefault("segment_ids", 0 * recorded["token_ids"])
        names = (*REQUIRED, "sampled_ids", "corrupted_token_ids")
        return {name: recorded[name] for name in names}

    def build(self):
        """The pretrainer of the trace with the weights of before step 0."""
        from keras_rtd.interop import google
        from keras_rtd.keras_internals import rate_or_schedule

        # Dropout cannot be replayed, so none was recorded.
        overrides = dict(self.config.get("model_hparam_overrides") or {})
        overrides["hidden_dropout_prob"] = 0.0
        overrides["attention_probs_dropout_prob"] = 0.0
        config = {**self.config, "model_hparam_overrides": overrides}
        pretrainer = google.from_variables(config, self.group("before"))
        if pretrainer.objective.name == "electric":
            pretrainer.objective.special_ids = self._special_ids()
        self.schedule = rate_or_schedule(pretrainer.optimizer)
        return pretrainer

    def _special_ids(self):
        """[CLS], [SEP] and [MASK], by where they stand."""
        found = set()
        for step in range(self.num_steps):
            batch = self.group(f"step{step}")
            ids, lengths = batch["token_ids"], batch["padding_mask"].sum(1)
            found.update(ids[:, 0].tolist())
            last = ids[np.arange(len(ids)), lengths.astype(int) - 1]
            found.update(last.tolist())
            masked = batch["masked_token_ids"]
            found.update(masked[masked != ids].tolist())
        return sorted(found)

    def tensors(self, pretrainer):
        """dict of the reference's names to `StoredTensor`."""
        from keras_rtd.interop import weights
        from keras_rtd.models import stored_tensors

        rows = pretrainer.backbone.vocabulary_size
        return {
            name: stored_tensors.table(variable, rows)
            if name == weights.TOKEN_TABLE
            else stored_tensors.plain(variable)
            for name, variable in weights.named_variables(pretrainer).items()
        }

    def optimizer_arguments(self, pretrainer):
        """Arguments of `AdamW`; rates are lists, a number for each step."""
        return {
            "learning_rate": self.each_step("learning_rate"),
            "weight_decay": pretrainer.optimizer_config["weight_decay"],
        }

    def compare_outputs(self, pretrainer, step, compare):
        """Compare what is no loss, before a step."""
        recorded, where = self.group(f"step{step}"), f"step {step}"
        outputs = pretrainer.predict_on_batch(self.batch(step))
        if "generator_logits" in recorded:
            compare(
                "generator logits",
                outputs["generator_logits"],
                recorded["generator_logits"],
                where,
            )
        logits = np.asarray(outputs["discriminator_logits"], np.float64)
        compare(
            "discriminator probs",
            1.0 / (1.0 + np.exp(-logits)),
            recorded["discriminator_probs"],
            where,
        )
        compare(
            "labels", outputs["is_replaced"], recorded["is_replaced"], where
        )
        compare(
            "learning rate",
            float(self.schedule(step)),
            recorded["learning_rate"],
            where,
        )


class DebertaTrace(Trace):
    """A recorded decoupled training of microsoft/DeBERTa.

    Names begin with `generator/` or `discriminator/`; the second's embeddings
    are what is added to the first's, `_weight`.
    """

    LIMITS = {
        "generator loss": 1e-5,
        "discriminator loss": 1e-5,
        "step-0 gradients": 1e-4,
        "final weights": 2e-5,
    }
    LOSSES = {
        name: Trace.LOSSES[name]
        for name in ("generator loss", "discriminator loss")
    }
    NO_GRADIENT = None
    ABSOLUTE = True
    # No pass of the reference reads it and no model of ours has it.
    UNUSED = (
        "discriminator/deberta.embeddings.position_embeddings._weight",
        "discriminator/deberta.embeddings.position_embeddings.weight",
    )
    SHARING = {
        "gdes": "gradient_disentangled",
        "es": "shared",
        "none": "separate",
    }

    def group(self, prefix):
        found = super().group(prefix)
        return {k: v for k, v in found.items() if k not in self.UNUSED}

    def build(self):
        from keras_rtd.models import DebertaV3Backbone
        from keras_rtd.models import ElectraPretrainer
        from keras_rtd.models import encoders
        from keras_rtd.models import families
        from keras_rtd.models import stored_tensors
        from keras_rtd.models.deberta_v3 import conversion

        both = self.config["model_config"]
        sharing = self.SHARING[both["embedding_sharing"]]
        backbone, generator = encoders.make_encoders(
            *(
                families.serialized(
                    DebertaV3Backbone,
                    {
                        **conversion.arguments(both[name]),
                        "enhanced_mask_decoder": name == "generator",
                        "name": name,
                    },
                )
                for name in ("discriminator", "generator")
            ),
            sharing,
        )
        pretrainer = ElectraPretrainer(
            backbone,
            generator,
            objective_config={
                "discriminator_weight": float(self.config["rtd_lambda"])
            },
            embedding_sharing=sharing,
        )
        stored_tensors.assign(
            self.tensors(pretrainer), self.group("before"), "The trace"
        )
        return pretrainer

    def tensors(self, pretrainer):
        from keras_rtd.interop import deberta_tensors

        return {
            **{
                f"generator/{name}": tensor
                for name, tensor in deberta_tensors.generator_tensors(
                    pretrainer
                ).items()
            },
            **{
                f"discriminator/{name}": tensor
                for name, tensor in deberta_tensors.discriminator_tensors(
                    pretrainer
                ).items()
            },
        }

    def optimizer_arguments(self, pretrainer):
        return {
            "learning_rate": self.each_step("discriminator_learning_rate"),
            "generator_learning_rate": self.each_step(
                "generator_learning_rate"
            ),
            "weight_decay": self.config["weight_decay"],
            "beta_1": self.config["adam_beta1"],
            "beta_2": self.config["adam_beta2"],
            "epsilon": self.config["epsilon"],
            "global_clipnorm": self.config["max_grad_norm"],
            "decoupled_training": True,
        }

    def compare_outputs(self, pretrainer, step, compare):
        # The discriminator's are of the tables after the generator's step.
        recorded = self.group(f"step{step}")
        if "generator_logits" not in recorded:
            return
        outputs = pretrainer.predict_on_batch(self.batch(step))
        real = recorded["mask_weights"][..., None] > 0
        compare(
            "generator logits",
            np.where(real, outputs["generator_logits"], 0.0),
            np.where(real, recorded["generator_logits"], 0.0),
            f"step {step}",
        )
        compare(
            "labels",
            outputs["is_replaced"],
            recorded["is_replaced"],
            f"step {step}",
        )


def read(path):
    """The trace of a file.

    Raises:
        ValueError: no trace.
    """
    trace = Trace(path)
    return DebertaTrace(path) if "model_config" in trace.config else trace
