"""Settings of the encoder and the generator, and what a preset says."""

import dataclasses
import math

from keras_rtd import tokenizers
from keras_rtd.models import families
from keras_rtd.models import other_libraries
from keras_rtd.models.encoders import SHARING
from keras_rtd.models.presets import preset_length
from keras_rtd.models.presets import read_task
from keras_rtd.models.presets import stored_objective
from keras_rtd.models.pretrainer import ElectraPretrainer
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import Settings
from keras_rtd.utils.setting import setting


@dataclasses.dataclass(frozen=True)
class ModelSettings(Settings):
    """Which encoder is trained, from which weights and vocabulary."""

    preset: str = setting(
        "electra_small_uncased_en",
        "Bundled preset or preset directory. It gives every setting that is "
        "not given; weights are initialised randomly.",
    )
    init_from: str | None = setting(
        None,
        "Preset directory, or checkpoint of another library (hf:DIR, "
        "keras_hub:DIR, google:PREFIX), that takes the place of --preset, with "
        "its weights.",
        none="none",
    )
    vocabulary: str | None = setting(
        None,
        "Vocabulary file in place of the preset's tokenizer.",
        none="the preset's tokenizer",
    )
    tokenizer: str | None = setting(
        None,
        "tokenizer.json, or a directory with one, in place of the preset's "
        "tokenizer. It knows its case and accents.",
        none="the preset's tokenizer",
    )
    cased: bool = setting(False, "With --vocabulary: keep upper case.")
    keep_accents: bool = setting(False, "With --vocabulary: keep accents.")
    family: str | None = setting(
        None,
        "Family of the encoders, which decides their layers.",
        choices=tuple(families.FAMILIES),
        preset=True,
    )
    local_attention_window: int | None = setting(
        None,
        "In families with local attention: tokens that local layers attend "
        "to, around each token.",
        preset=True,
        at_least=2,
    )
    dropout: float | None = setting(
        None,
        "Dropout rate of both encoders, from 0 to below 1.",
        preset=True,
        at_least=0,
        below=1,
    )
    embedding_sharing: str = setting(
        "shared",
        "Embeddings of encoder and generator. shared: one table. "
        "gradient_disentangled: the encoder adds tables of its own, without "
        "gradient to the generator's. separate: one table each.",
        choices=SHARING,
        preset=True,
    )

    @property
    def source(self):
        """The preset that training starts from."""
        return self.init_from or self.preset

    def load_tokenizer(self):
        """The tokenizer in place of the preset's, or `None`.

        Raises:
            SettingError: both a tokenizer and a vocabulary, or a case without
                a vocabulary.
            ValueError: see `keras_rtd.tokenizers.load`.
        """
        if self.tokenizer is not None and self.vocabulary is not None:
            raise SettingError(
                "tokenizer", "given without --vocabulary", self.tokenizer
            )
        path = self.tokenizer or self.vocabulary
        for name in ("cased", "keep_accents"):
            if getattr(self, name) and self.vocabulary is None:
                raise SettingError(name, "given with --vocabulary", True)
        if path is None:
            return None
        return tokenizers.load(
            path, cased=self.cased, keep_accents=self.keep_accents
        )


@dataclasses.dataclass(frozen=True)
class GeneratorSettings(Settings):
    """The generator, where it differs from the preset's."""

    frozen_generator: str | None = setting(
        None,
        "Preset or run directory of a pre-trained masked language model, used "
        "as a frozen generator.",
        none="none, the generator is trained",
    )
    generator_num_layers: int | None = setting(
        None,
        "Layers of the generator.",
        preset=True,
        at_least=1,
        at_most=1000,
    )
    generator_hidden_dim: int | None = setting(
        None,
        "Width of the generator in units; heads of 64 and the inner width "
        "follow.",
        preset=True,
        at_least=1,
        at_most=1 << 16,
    )
    generator_dropout: float | None = setting(
        None,
        "Dropout rate of the generator, from 0 to below 1, also while it "
        "samples.",
        preset=True,
        at_least=0,
        below=1,
    )


def preset_settings(preset):
    """What a preset says of a run's settings.

    Args:
        preset: string, a bundled name, a directory, or a checkpoint of
            another library, such as `"hf:DIR"`.

    Returns:
        dict of setting to value. `optimizer_config` holds all arguments of
        the preset's optimizer, `max_sequence_length` is the encoder's.

    Raises:
        ValueError: no such preset, or one without a pretrainer.
    """
    with other_libraries.as_preset(preset) as directory:
        config = read_task(ElectraPretrainer, directory)["config"]
        objective = stored_objective(directory, config)
        length = preset_length(directory)
    backbone_cls, encoder = families.resolve(config["backbone"])
    generator = (config["generator"] or {}).get("config", {})
    return {
        "objective": objective.name,
        **objective.get_config(),
        "sequence_length": length,
        "max_sequence_length": encoder.get("max_sequence_length", math.inf),
        "family": backbone_cls.family,
        "local_attention_window": encoder.get("local_attention_window"),
        "dropout": encoder["dropout"],
        "embedding_sharing": config.get("embedding_sharing", "shared"),
        "generator_num_layers": generator.get("num_layers"),
        "generator_hidden_dim": generator.get("hidden_dim"),
        "generator_dropout": generator.get("dropout"),
        "optimizer_config": config.get("optimizer_config") or {},
    }


def changed_arguments(model, generator, of_preset, length):
    """What the encoders have otherwise than in the preset.

    Args:
        model: `ModelSettings`.
        generator: `GeneratorSettings`.
        of_preset: dict, what the preset says of them.
        length: int, tokens of the longest row.

    Returns:
        dict of arguments of `ElectraPretrainer.from_preset`.
    """
    there = dict(of_preset)
    if model.dropout != there["dropout"]:
        there["generator_dropout"] = model.dropout
    values = {**vars(model), **vars(generator)}
    # Another family's windows are its own.
    same = values["family"] == there["family"]
    takes_none = ["local_attention_window"] if same else []
    found = {
        name: values[name]
        for name in (
            "family",
            "local_attention_window",
            "dropout",
            "generator_dropout",
            "generator_num_layers",
            "generator_hidden_dim",
        )
        if values[name] != there[name]
        and (values[name] is not None or name in takes_none)
    }
    positions = families.get(model.family).uses_positions
    if not positions and length > of_preset["max_sequence_length"]:
        found["max_sequence_length"] = length
    return found
