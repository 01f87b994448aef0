"""Continue the pre-training of a released encoder on your text.

    python recipes/adapt_domain.py --source=hf:DIR --data="corpus/*.txt" \\
        --vocabulary=vocabulary.txt --run_dir=runs/mine

`--source` (or `--init_from`) is `hf:DIR` (Hugging Face; if DIR contains
discriminator/ and generator/, both are loaded), `keras_hub:DIR`,
`google:PREFIX` or `preset:DIR`. `--generator` names the generator if it is
stored elsewhere. Missing heads and a missing generator are initialised
randomly.

With `--vocabulary` (see `python -m keras_rtd.data.vocabulary`), tokens of both
vocabularies keep their vectors, and a new token starts from the mean of its old
pieces. Time and memory are those of the recipe for the model's size. A tenth of
that recipe's steps is usually enough.
"""

import dataclasses
import pathlib
import sys

from keras_rtd.interop import assembly
from keras_rtd.interop.convert import ModelPath
from keras_rtd.interop.vocabulary import change_vocabulary
from keras_rtd.pretraining import resolve
from keras_rtd.pretraining.resolution import OLD
from keras_rtd.pretraining.run import run_everywhere
from keras_rtd.pretraining.run import run_safely
from keras_rtd.pretraining.run_directory import local_folder
from keras_rtd.pretraining.settings import flags
from keras_rtd.utils.command_line import parse
from keras_rtd.utils.setting import ConfigError
from keras_rtd.utils.setting import Settings
from keras_rtd.utils.setting import setting
from keras_rtd.utils.settings import flags_of
from keras_rtd.utils.targets import PRESET
from keras_rtd.utils.writing import new_path


@dataclasses.dataclass(frozen=True)
class SourceSettings(Settings):
    """Which released model training goes on from."""

    source: str | None = setting(
        None, "FORMAT:PATH of the released model.", none="none, it is needed"
    )
    generator: str | None = setting(
        None,
        "FORMAT:PATH of its generator, where it has a place of its own.",
        none="the generator of --source",
    )


DEFAULTS = {
    "run_dir": "runs/adapted",
    "train_steps": 20_000,
    "batch_size": 32,
    "sequence_length": 128,
    "learning_rate": 1e-4,
    "warmup_steps": 1_000,
}
FLAGS = {**flags_of([("source", SourceSettings)]), **flags()}


def adapt(argv=None):
    """Write the preset that training starts from, then train."""
    given = parse(FLAGS, __doc__, DEFAULTS, argv, OLD)
    source, generator = (given.pop(k, None) for k in ("source", "generator"))
    # The other recipes' flag says the same.
    source = given.pop("init_from", None) if source is None else source
    if source is None:
        raise ConfigError("--source must be given: FORMAT:PATH")
    run_dir = given.get("run_dir", DEFAULTS["run_dir"])
    initial = pathlib.Path(local_folder(run_dir)) / "initial"
    if not initial.is_dir():
        # What is wrong shows before the model is loaded.
        settings = resolve(DEFAULTS, None, given)
        prepare(source, generator, settings.model, initial)
    defaults = {**DEFAULTS, "init_from": str(initial)}
    return run_everywhere(resolve(defaults, None, given))


def prepare(source, generator, model, path):
    """Write the preset that training starts from.

    Args:
        source, generator: strings, FORMAT:PATH; `generator` may be `None`.
        model: `ModelSettings`, for the vocabulary.
        path: `pathlib.Path` of the preset.
    """
    pretrainer = load(source, generator)
    tokenizer = model.load_tokenizer()
    if tokenizer is not None:
        pretrainer, counts = change_vocabulary(pretrainer, tokenizer)
        print(
            f"vocabulary: {counts['kept']:,} tokens keep their vectors, "
            f"{counts['split']:,} start from their pieces, "
            f"{counts['unknown']:,} from [UNK]"
        )
    # Renamed when whole, so that a killed one is not taken for it.
    with new_path(path, PRESET) as temporary:
        pretrainer.save_to_preset(temporary)


def load(source, generator=None):
    """The `ElectraPretrainer` of one or two places."""
    model, tokenizer = ModelPath.parse(source).load()
    if tokenizer is None:
        raise ValueError(
            f"{source} has no vocabulary: put its vocab.txt there."
        )
    if generator is None:
        pretrainer, fresh = assembly.complete(model, tokenizer)
    else:
        other = ModelPath.parse(generator).load()[0]
        pretrainer, fresh = assembly.join(model, other, tokenizer=tokenizer)
    print(f"initialised randomly: {', '.join(fresh) or 'nothing'}")
    return pretrainer


if __name__ == "__main__":
    sys.exit(run_safely(adapt))
