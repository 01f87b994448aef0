"""Loading a pretrainer from a preset."""

import inspect
import os
import warnings
from typing import Any
from typing import Self
from typing import Unpack

import keras

from keras_rtd import objectives
from keras_rtd import tokenizers
from keras_rtd.models import families
from keras_rtd.models import other_libraries
from keras_rtd.models.bundled import DESCRIPTIONS
from keras_rtd.models.encoder_arguments import GENERATOR
from keras_rtd.models.encoder_arguments import EncoderArguments
from keras_rtd.models.encoder_arguments import split
from keras_rtd.models.encoder_backbone import SIZES
from keras_rtd.models.encoders import generator_settings
from keras_rtd.models.frozen_generator import with_frozen_generator
from keras_rtd.models.preset_files import check_weights
from keras_rtd.models.preset_files import has_weights
from keras_rtd.models.presets import PRETRAINER
from keras_rtd.models.presets import check_vocabulary
from keras_rtd.models.presets import load_weights_into
from keras_rtd.models.presets import read_task
from keras_rtd.models.presets import read_task_name
from keras_rtd.models.presets import stored_objective
from keras_rtd.models.weight_copies import copy_common_weights

# Options of `optimizer_config` that earlier versions had.
REMOVED_OPTIONS = (
    "generator_clipnorm",
    "generator_schedule",
    "generator_warmup_steps",
)


class PretrainerLoading:
    """`from_preset` of `ElectraPretrainer`."""

    @classmethod
    def from_preset(
        cls,
        preset: str,
        load_weights: bool = True,
        *,
        objective: str | None = None,
        objective_config: dict[str, Any] | None = None,
        optimizer_config: dict[str, Any] | None = None,
        embedding_sharing: str | None = None,
        frozen_generator: str | None = None,
        tokenizer: Any = None,
        preprocessor: Any = None,
        sequence_length: int | None = None,
        seed: int | None = None,
        name: str | None = None,
        compile: bool = True,
        **arguments: Unpack[EncoderArguments],
    ) -> Self:
        """The pretrainer of a preset. What is `None` is the preset's.

        Args:
            preset: string. A bundled name (`electra_tiny_uncased_en`,
                `electra_small_uncased_en`, …), a directory written by
                `save_to_preset`, or a checkpoint of another library
                (`"hf:DIR"`, `"keras_hub:DIR"`, `"google:PREFIX"`, or the path
                alone, where it tells what it is). A generator and heads that
                a checkpoint has not are initialised randomly, and a line
                names them.
            load_weights: bool. Bundled presets without weights give randomly
                initialised ones either way. Defaults to `True`.
            objective: string. An objective other than the preset's gets the
                generator and heads that it needs; those that the preset has
                no weights of are initialised randomly, and a warning names
                them.
            objective_config: dict, put over the preset's: options that are
                not given are the preset's.
            optimizer_config: dict, put over the preset's, but for another
                `optimizer`, which takes none of the preset's options.
            embedding_sharing: string, see the class.
            frozen_generator: string. A preset or run directory whose masked
                language model becomes the generator, which then only samples,
                see `keras_rtd.models.frozen_generator`.
            tokenizer: `keras_rtd.tokenizers.Tokenizer`, or the path of one.
                Replaces the preset's, and sets the vocabulary's size.
            preprocessor: `ElectraPreprocessor`, replaces the preset's.
            sequence_length: int. Length of the preprocessor's rows.
            seed: int. See the class.
            name: string.
            compile: bool. Defaults to `True`.
            **arguments: arguments of the encoder's class (`dropout`, `dtype`,
                `max_sequence_length`, …), which reach both encoders (another
                `family` than the preset's brings inner widths that leave the
                number of weights about as it is), and of the generator alone
                (`generator_num_layers`, `generator_dropout`, …); see
                `keras_rtd.models.encoder_arguments.EncoderArguments`.

        Raises:
            ValueError: an unknown preset or argument (with the nearest right
                name), or a directory that holds no pretrainer of this
                version.
        """
        given = {
            "objective": objective,
            "objective_config": objective_config,
            "optimizer_config": optimizer_config,
            "embedding_sharing": embedding_sharing,
            "tokenizer": tokenizer,
            "preprocessor": preprocessor,
            "sequence_length": sequence_length,
            "seed": seed,
            "name": name,
        }
        given = {k: v for k, v in given.items() if v is not None}
        with other_libraries.as_preset(preset) as directory:
            return cls._from_directory(
                directory,
                load_weights,
                frozen_generator,
                compile,
                given,
                arguments,
            )

    @classmethod
    def _from_directory(
        cls, preset, load_weights, frozen_generator, compile, given, arguments
    ):
        settings = read_task(cls, preset)["config"]
        others = [*inspect.signature(cls.from_preset).parameters][2:-1]
        family = families.take_family(arguments)
        encoder_class, _ = families.resolve(settings["backbone"])
        if family is not None:
            encoder_class = families.get(family)
        encoder, generator = split(
            arguments, encoder_class, [*others, "family"]
        )
        if family is not None:
            encoder["family"] = arguments["family"] = family
        given["compile"] = compile
        if frozen_generator is not None:
            given |= arguments
            return with_frozen_generator(
                cls, preset, load_weights, frozen_generator, **given
            )
        return load_pretrainer(
            cls, preset, load_weights, settings, encoder, generator, given
        )


def load_pretrainer(
    cls, preset, load_weights, settings, encoder, generator, given
):
    """The `ElectraPretrainer` of a preset; see its `from_preset`.

    Args:
        cls: the class.
        preset: string.
        load_weights: bool.
        settings: dict, the pretrainer's config in the preset; it is changed.
        encoder, generator: dicts of arguments, as `encoder_arguments.split`
            gives them.
        given: dict of the other arguments that are not `None`.
    """
    tokenizer = given.pop("tokenizer", None)
    if isinstance(tokenizer, str | os.PathLike):
        tokenizer = tokenizers.load(tokenizer)
    sequence_length = given.pop("sequence_length", None)
    resized = sorted(
        {k for k in encoder if k in SIZES}
        | {GENERATOR + k for k in generator if k != "dropout"}
        | ({"tokenizer"} if tokenizer is not None else set())
    )
    family = encoder.pop("family", None)
    if family is not None and families.exchange_family(settings, family):
        resized.append("family")
    loads = _loads_weights(
        cls, preset, load_weights, resized, generator, family
    )
    stored = {k: settings.get(k) for k in ("objective", "embedding_sharing")}
    stored["embedding_sharing"] = stored["embedding_sharing"] or "shared"
    _merge_options(preset, settings, given, tokenizer)
    if tokenizer is not None:
        encoder["vocabulary_size"] = tokenizer.vocabulary_size()
        if settings["preprocessor"] is not None:
            # In the config: a layer that is in place is not exchanged.
            settings["preprocessor"]["config"]["tokenizer"] = tokenizer
    encoder_class, config = families.resolve(settings["backbone"])
    settings["backbone"] = families.serialized(
        encoder_class, {**config, **encoder}
    )
    objective = objectives.find(given.get("objective", stored["objective"]))
    settings["generator"] = generator_settings(
        objective, settings, encoder, generator
    )
    settings.update(given)
    pretrainer = cls.from_config(settings)
    preprocessor = pretrainer.preprocessor
    if preprocessor is not None and "preprocessor" not in given:
        if tokenizer is None:
            preprocessor.load_preset_assets(preset)
            check_vocabulary(preset, preprocessor, pretrainer.backbone)
            pretrainer.objective.set_tokenizer(preprocessor.tokenizer)
        if sequence_length is not None:
            preprocessor.sequence_length = sequence_length
    if loads and all(settings.get(k, v) == v for k, v in stored.items()):
        load_weights_into(pretrainer, preset)
    elif loads:
        other = cls.from_preset(preset, compile=False, **encoder)
        copy_common_weights(other, pretrainer)
    return pretrainer


def _loads_weights(cls, preset, load_weights, resized, generator, family):
    """Whether the preset's weights are loaded.

    Raises:
        ValueError: weights of a trained preset that cannot be.
    """
    if not load_weights:
        return False
    bundled = preset in DESCRIPTIONS
    if bundled and not has_weights(preset):
        return False
    if bundled and resized:
        warnings.warn(
            f"The weights of {preset!r} do not fit other sizes, layers or "
            f"vocabulary ({', '.join(resized)}): starting from fresh ones.",
            stacklevel=5,
        )
        return False
    if "family" in resized:
        raise ValueError(
            f"The weights of {preset!r} are of other layers than "
            f"family={family!r}. Pass load_weights=False to start from "
            "fresh ones, or leave out `family`."
        )
    check_weights(cls, preset)
    if set(generator) - {"dropout"}:
        raise ValueError(
            f"The preset {preset!r} has weights of a generator of its own "
            "sizes. Pass load_weights=False to start from fresh ones, or "
            f"leave out {sorted(GENERATOR + k for k in generator)}."
        )
    return True


def _merge_options(preset, settings, given, tokenizer):
    """Put what is given over the preset's `objective_config` and
    `optimizer_config`.

    Of another objective's options, those stay that this one has too. Another
    optimizer's are left out: its learning rate would not fit.

    Args:
        preset: string, for messages.
        settings: dict, the pretrainer's config in the preset.
        given: dict of arguments; both configs in it are replaced.
        tokenizer: the one that replaces the preset's, or `None`.
    """
    stored = settings["objective_config"]
    name = given.get("objective", settings["objective"])
    if name == settings["objective"]:
        stored_objective(preset, settings)
    kind = objectives.find(name)
    known = objectives.option_names(name)
    belong = kind.tokenizer_options if tokenizer is not None else ()
    given["objective_config"] = {
        **{k: v for k, v in stored.items() if k in known and k not in belong},
        **given.get("objective_config", {}),
    }
    own = dict(settings["optimizer_config"] or {})
    removed = [k for k in REMOVED_OPTIONS if own.pop(k, None) is not None]
    if removed:
        warnings.warn(
            f"The preset {preset!r} was trained with the optimizer options "
            f"{', '.join(removed)}, which were removed: going on without.",
            stacklevel=5,
        )
    chosen = given.get("optimizer_config", {})
    kept = own.get("optimizer", "adamw")
    if chosen.get("optimizer", kept) != kept:
        own = {}
    given["optimizer_config"] = {**own, **chosen}


def from_pretrainer_preset(cls, preset, load_weights, part, **kwargs):
    """The task in a pretrainer's preset that is `cls`.

    Args:
        cls: the task class asked for.
        preset: string.
        load_weights: bool.
        part: string. Name of the pretrainer's method that gives it.
        **kwargs: for `ElectraPretrainer.from_preset`.

    Returns:
        The task, or `None` where the preset holds no pretrainer.

    Raises:
        ValueError: a preset without weights where weights are asked for.
    """
    name = read_task_name(preset)
    if load_weights:
        check_weights(cls, preset)
    if name != PRETRAINER:
        return None
    pretrainer = keras.saving.get_registered_object(PRETRAINER).from_preset(
        preset, load_weights=load_weights, compile=False, **kwargs
    )
    return getattr(pretrainer, part)()
