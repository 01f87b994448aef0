"""A generator that was trained before and only samples (Fast-ELECTRA).

https://arxiv.org/abs/2310.07347: an existing masked language model in the
generator's place, whose samples become harder as the temperature falls. It
costs no gradient and no optimizer state, and nothing at all where its samples
were made beforehand (`keras_rtd.pretraining.draw_replacements`).
"""

import hashlib
import json
import os

import keras
from keras import ops

from keras_rtd.models import presets
from keras_rtd.models.encoder_arguments import GENERATOR_ARGUMENTS
from keras_rtd.models.encoders import SEPARATE
from keras_rtd.models.weight_copies import copied
from keras_rtd.models.weight_copies import copy_own_weights
from keras_rtd.models.weight_copies import with_plain_embeddings

# By name, because the class is made from what imports this module.
MASKED_LM = "keras_rtd>ElectraMaskedLM"

# What of an encoder's config does not change what it computes when it samples.
NOT_COMPUTED = ("name", "trainable", "dtype", "dropout", "kernel_stddev")


def with_frozen_generator(cls, preset, load_weights, frozen, **kwargs):
    """The `ElectraPretrainer` of a preset with another's masked language
    model as its generator; see its `from_preset`.

    Args:
        cls: the class.
        preset: string. Gives the encoder, its heads and its options.
        load_weights: bool. Of `preset`; the generator's are always loaded.
        frozen: string. Preset or run directory of the generator: the
            generator of an ELECTRA run, or the encoder of an `mlm` one.
        **kwargs: as for `from_preset`, without options of a generator.

    Raises:
        ValueError: no masked language model there, one of another tokenizer,
            or options that have no meaning for a frozen generator.
    """
    asked = sorted(set(kwargs) & GENERATOR_ARGUMENTS)
    sharing = kwargs.pop("embedding_sharing", SEPARATE)
    if sharing != SEPARATE:
        asked.append(f"embedding_sharing={sharing!r}")
    if asked:
        raise ValueError(
            "A frozen generator is as it was saved, with embeddings of its "
            f"own: leave out {', '.join(asked)}."
        )
    compile = kwargs.pop("compile", True)
    options = {**kwargs.pop("objective_config", {}), "frozen_generator": True}
    made = cls.from_preset(preset, load_weights, compile=False, **kwargs)
    masked_lm = load_masked_lm(frozen, dtype=made.dtype_policy)
    check_tokenizer(masked_lm, made, frozen)
    model = cls(
        with_plain_embeddings(made.backbone),
        copied(masked_lm.backbone, name="generator"),
        preprocessor=made.preprocessor,
        objective=made.objective.name,
        objective_config={**made.objective.get_config(), **options},
        optimizer_config=made.optimizer_config,
        embedding_sharing=SEPARATE,
        seed=made.seed,
        compile=False,
    )
    for name in model.head_names:
        source = masked_lm if name == "masked_lm_head" else made
        copy_own_weights(getattr(source, name), getattr(model, name))
    if compile:
        model.compile()
    return model


def load_masked_lm(path, **kwargs):
    """The masked language model of a preset or of a finished run.

    Args:
        path: string.
        **kwargs: for `ElectraMaskedLM.from_preset`.

    Returns:
        `ElectraMaskedLM`.

    Raises:
        ValueError: there is none.
    """
    inside = os.path.join(path, "preset")
    if os.path.isdir(inside):
        path = inside
    found = presets.read_task_name(path)
    if found not in (presets.PRETRAINER, MASKED_LM):
        # KerasHub would give a bare encoder a head with fresh weights.
        raise ValueError(
            f"{str(path)!r} holds {found or 'a bare encoder'}, not a masked "
            "language model. Convert one of another library with `python -m "
            "keras_rtd.interop convert`."
        )
    masked_lm = keras.saving.get_registered_object(MASKED_LM)
    return masked_lm.from_preset(path, **kwargs)


def check_tokenizer(masked_lm, model, name):
    """Refuse a generator that reads other token ids.

    Raises:
        ValueError: another tokenizer, or where one has none another
            vocabulary size.
    """
    found = [
        m.preprocessor and m.preprocessor.tokenizer for m in (masked_lm, model)
    ]
    if None in found:
        facts = [m.backbone.vocabulary_size for m in (masked_lm, model)]
    else:
        facts = [t.fingerprint() for t in found]
    if facts[0] != facts[1]:
        raise ValueError(
            f"The generator {str(name)!r} was trained with another tokenizer. "
            "Use one of the same vocabulary, or give its vocabulary to this "
            "run too."
        )


def fingerprint(generator, head):
    """SHA-256 of what a generator computes: sizes, options and weights.

    The same on every backend and in every dtype policy.

    Args:
        generator: `RtdBackbone`.
        head: its `MaskedLMHead`.

    Returns:
        string, hexadecimal.
    """
    facts = {
        name: value
        for name, value in generator.get_config().items()
        if name not in NOT_COMPUTED
    }
    text = json.dumps(facts, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode())
    tables = list(generator.embeddings.tables())
    own = {id(v) for v in generator.embeddings.weights}
    variables = tables + generator.embeddings.layer_norm.weights
    for part in (generator, head):
        variables += [v for v in part.weights if id(v) not in own]
    for variable in variables:
        array = ops.convert_to_numpy(variable).astype("<f4")
        digest.update(str(array.shape).encode() + array.tobytes())
    return digest.hexdigest()


def generator_settings(generator, head, options, batch_size):
    """What samples depend on beside the data: a dict for JSON.

    Args:
        generator: `ElectraBackbone`.
        head: its `MaskedLMHead`.
        options: has `temperature`, `final_temperature` and `temperature_steps`.
        batch_size: int. Windows a step.
    """
    steps = options.temperature_steps
    return {
        "generator": fingerprint(generator, head),
        "temperature": options.temperature,
        "final_temperature": options.final_temperature,
        "temperature_examples": steps * batch_size if steps else None,
    }
