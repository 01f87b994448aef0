"""The options of google-research/electra, and the pretrainer they describe."""

import warnings

from keras_rtd.interop import tokenizer_files
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTwoTowerGenerator
from keras_rtd.models.electra import conversion
from keras_rtd.utils import json_file

# configure_pretraining.py, `PretrainingConfig`; what is not here says nothing
# about model, losses or optimiser.
DEFAULTS = {
    "model_size": "small",
    "model_hparam_overrides": {},
    "generator_layers": 1.0,
    "generator_hidden_size": 0.25,
    "gen_weight": 1.0,
    "disc_weight": 50.0,
    "electric_objective": False,
    "mask_prob": 0.15,
    "temperature": 1.0,
    "disallow_correct": False,
    "learning_rate": 5e-4,
    "lr_decay_power": 1.0,
    "weight_decay_rate": 0.01,
    "num_warmup_steps": 10_000,
    "num_train_steps": 1_000_000,
}

# util/training_utils.py, `get_bert_config`.
SIZES = {
    "small": {"hidden_size": 256, "num_hidden_layers": 12},
    "base": {"hidden_size": 768, "num_hidden_layers": 12},
    "large": {"hidden_size": 1024, "num_hidden_layers": 24},
}

# Options that make another model, with the only value that is ELECTRA or, with
# `electric_objective`, Electric.
FIXED = {
    "uniform_generator": False,
    "untied_generator_embeddings": False,
    "untied_generator": True,
}

# The reference's options -> those of our objectives.
OBJECTIVE_OPTIONS = {
    "gen_weight": "generator_weight",
    "disc_weight": "discriminator_weight",
    "temperature": "temperature",
    "disallow_correct": "disallow_correct",
}

HEAD_DIM = 64


def resolve(config):
    """The reference's options with its defaults filled in.

    Args:
        config: dict of the reference's options or `None`; those that are
            absent or `None` have the reference's default.

    Returns:
        dict with the keys of `DEFAULTS`, and those given beside them.

    Raises:
        ValueError: an unknown model size, or an option whose model
            `ElectraPretrainer` is not, such as BERT's.
    """
    given = {k: v for k, v in (config or {}).items() if v is not None}
    found = json_file.Node(given, "The reference's options")
    for name in set(DEFAULTS) & set(given):
        found[name].of(type(DEFAULTS[name]))
    overrides = given.get("model_hparam_overrides", {})
    for name in set(overrides) - {"hidden_act"}:
        found["model_hparam_overrides"][name].of(float)
    electric = given.get("electric_objective", False)
    fixed = {
        **FIXED,
        "electra_objective": not electric,
        "two_tower_generator": electric,
    }
    if electric:
        # Overruled there too.
        given.pop("electra_objective", None)
    for name, value in fixed.items():
        if given.get(name, value) != value:
            raise ValueError(
                f"google-research/electra's option {name}={given[name]!r} "
                "describes another model than ELECTRA's or Electric's: only "
                f"{name}={value!r} can be loaded."
            )
    options = {**DEFAULTS, **given}
    if options["model_size"] not in SIZES:
        raise ValueError(
            f"Unknown model_size {options['model_size']!r}. Known: "
            f"{', '.join(SIZES)}"
        )
    activation = options["model_hparam_overrides"].get("hidden_act", "gelu")
    if activation != "gelu":
        raise ValueError(
            f"hidden_act={activation!r} is not supported: the reference's "
            "ELECTRA has 'gelu'."
        )
    return options


def heads_of(hidden_size):
    """The reference's number of heads for a width."""
    return max(1, hidden_size // HEAD_DIM)


def encoder_arguments(options, shapes, scope, where):
    """Arguments of `ElectraBackbone`: sizes from shapes, the rest as told.

    Args:
        options: see `resolve`.
        shapes: dict of the reference's names to shapes.
        scope: `"electra"`, `"generator"` or `"generator_ltr"`.
        where: string. Names the source in messages.

    Raises:
        ValueError: shapes that contradict sizes which `options` name.
    """
    overrides = options["model_hparam_overrides"]
    sizes = conversion.encoder_sizes(shapes, scope, where)
    heads = heads_of(sizes["hidden_dim"])
    if scope == "electra":
        heads = overrides.get("num_attention_heads", heads)
        _check_sizes(options, sizes, where)
    dropout = overrides.get("hidden_dropout_prob", 0.1)
    if overrides.get("attention_probs_dropout_prob", 0.1) != dropout:
        warnings.warn(
            "hidden_dropout_prob and attention_probs_dropout_prob differ; "
            f"keras_rtd has one rate for both: {dropout}",
            stacklevel=4,
        )
    return {**sizes, "num_heads": heads, "dropout": dropout}


def _check_sizes(options, sizes, where):
    overrides = options["model_hparam_overrides"]
    said = {
        "vocabulary_size": options.get("vocab_size"),
        "embedding_dim": options.get("embedding_size"),
        "hidden_dim": overrides.get("hidden_size"),
        "num_layers": overrides.get("num_hidden_layers"),
        "intermediate_dim": overrides.get("intermediate_size"),
        "max_sequence_length": overrides.get("max_position_embeddings"),
        "num_segments": overrides.get("type_vocab_size"),
    }
    wrong = [
        f"{name}: {value} in the configuration, {sizes[name]} in the weights"
        for name, value in said.items()
        if value is not None and value != sizes[name]
    ]
    if wrong:
        raise ValueError(
            f"{where} is not of this configuration: {'; '.join(wrong)}"
        )


def build_pretrainer(options, shapes, where, tokenizer=None):
    """A compiled `ElectraPretrainer` of these options and shapes."""
    electric = options["electric_objective"]
    backbone = ElectraBackbone(
        **encoder_arguments(options, shapes, "electra", where)
    )
    kind = ElectraTwoTowerGenerator if electric else ElectraBackbone
    scope = "generator_ltr" if electric else "generator"
    generator = kind(
        embeddings=backbone.embeddings,
        name="generator",
        **encoder_arguments(options, shapes, scope, where),
    )
    objective_config = {
        ours: options[theirs] for theirs, ours in OBJECTIVE_OPTIONS.items()
    }
    if electric:
        objective_config["mask_rate"] = options["mask_prob"]
    return ElectraPretrainer(
        backbone,
        generator,
        preprocessor=tokenizer_files.preprocessor_of(tokenizer, backbone),
        objective="electric" if electric else "electra",
        objective_config=objective_config,
        optimizer_config={
            "learning_rate": options["learning_rate"],
            "warmup_steps": options["num_warmup_steps"],
            "train_steps": options["num_train_steps"],
            "weight_decay": options["weight_decay_rate"],
            "decay_power": options["lr_decay_power"],
        },
    )


def describe(pretrainer):
    """The reference's options that make this pretrainer.

    The result can be passed to `run_pretraining.py --hparams`, and to
    `google.load`.

    Args:
        pretrainer: `ElectraPretrainer`.

    Returns:
        dict that JSON can hold.

    Raises:
        ValueError: an encoder or objective that the reference has not.
    """
    backbone, generator = pretrainer.backbone, pretrainer.generator
    name = pretrainer.objective.name
    if name not in ("electra", "electric"):
        raise ValueError(
            f"The reference has no objective {name!r} that could go on from "
            "here."
        )
    check_encoder(backbone)
    check_generator(generator)
    objective, optimizer = pretrainer.objective, pretrainer.optimizer_config
    options = {
        "model_size": _nearest_size(backbone),
        "model_hparam_overrides": {
            "hidden_size": backbone.hidden_dim,
            "num_hidden_layers": backbone.num_layers,
            "num_attention_heads": backbone.num_heads,
            "intermediate_size": backbone.intermediate_dim,
            "hidden_dropout_prob": backbone.dropout,
            "attention_probs_dropout_prob": backbone.dropout,
            "max_position_embeddings": backbone.max_sequence_length,
            "type_vocab_size": backbone.num_segments,
        },
        "vocab_size": backbone.vocabulary_size,
        "embedding_size": backbone.embedding_dim,
        "generator_hidden_size": generator.hidden_dim / backbone.hidden_dim,
        "generator_layers": generator.num_layers / backbone.num_layers,
        **{
            theirs: getattr(objective, ours)
            for theirs, ours in OBJECTIVE_OPTIONS.items()
        },
    }
    if name == "electric":
        options["electra_objective"] = False
        options["electric_objective"] = True
        options["mask_prob"] = objective.mask_rate
    names = {
        "learning_rate": "learning_rate",
        "num_warmup_steps": "warmup_steps",
        "num_train_steps": "train_steps",
        "weight_decay_rate": "weight_decay",
        "lr_decay_power": "decay_power",
    }
    for theirs, ours in names.items():
        if optimizer.get(ours) is not None:
            options[theirs] = optimizer[ours]
    return options


def check_encoder(backbone):
    """Refuse an encoder that the reference would compute differently."""
    if backbone.activation != "gelu" or backbone.layer_norm_epsilon != 1e-12:
        raise ValueError(
            "google-research/electra computes erf-gelu and LayerNorm with "
            "epsilon 1e-12. This encoder has "
            f"activation={backbone.activation!r}, "
            f"layer_norm_epsilon={backbone.layer_norm_epsilon}."
        )


def check_generator(generator):
    """Refuse a generator whose sizes the reference has no option for."""
    check_encoder(generator)
    width = generator.hidden_dim
    if generator.intermediate_dim != 4 * width or (
        generator.num_heads != heads_of(width)
    ):
        raise ValueError(
            "The reference's generator of this width has "
            f"intermediate_dim={4 * width} and num_heads={heads_of(width)}; "
            f"this one has {generator.intermediate_dim} and "
            f"{generator.num_heads}."
        )


def _nearest_size(backbone):
    for name, size in SIZES.items():
        if size["hidden_size"] >= backbone.hidden_dim:
            return name
    return "large"
