"""Go on pre-training a released ELECTRA on text of your own.

    python recipes/adapt_domain.py --source=hf:DIR --data="corpus/*.txt" \\
        --vocabulary=vocabulary.txt --run_dir=runs/mine

`--source` is `hf:DIR` (Hugging Face; with discriminator/ and generator/ in
it, both are taken), `keras_hub:DIR`, `google:PREFIX` or `preset:DIR`;
`--generator` names the generator where it has a place of its own. Heads and
generator that no place has start afresh.

With `--vocabulary` (see `python -m keras_rtd.data.vocabulary`) tokens of both
vocabularies keep their vectors, and new ones start from the mean of their old
pieces. Time and memory are those of the recipe for the model's size; a tenth
of its steps is usually enough.
"""

import dataclasses
import pathlib
import sys

from keras_rtd.interop import parts
from keras_rtd.interop.convert import Place
from keras_rtd.interop.vocabulary import change_vocabulary
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTokenizer
from keras_rtd.pretraining import PretrainConfig
from keras_rtd.pretraining import main
from keras_rtd.pretraining import setting
from keras_rtd.pretraining.settings import parse_arguments
from keras_rtd.tokenizers.case_options import normalizer_options
from keras_rtd.utils.targets import PRESET
from keras_rtd.utils.writing import new_path


@dataclasses.dataclass(frozen=True)
class AdaptConfig(PretrainConfig):
    remote_run_dir = False

    source: str | None = setting(None, "FORMAT:PATH of what to start from")
    generator: str | None = setting(
        None, "FORMAT:PATH of the generator, where it is apart"
    )
    run_dir: str = setting("runs/adapted", "where everything is written")
    train_steps: int = setting(20_000, "optimiser steps of the whole run")
    batch_size: int = setting(32, "windows a step")
    learning_rate: float | None = setting(1e-4, "peak rate")
    warmup_steps: int | None = setting(1_000, "steps of linear warmup")

    def __post_init__(self):
        super().__post_init__()
        self.check("source", self.source is not None, "given: FORMAT:PATH")


def run(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    config = parse_arguments(AdaptConfig, __doc__, argv)
    initial = pathlib.Path(config.run_dir) / "initial"
    try:
        if not initial.is_dir():
            prepare(config, initial)
    except (ValueError, OSError, ImportError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    return main(AdaptConfig, __doc__, [*argv, "--init_from", str(initial)])


def prepare(config, path):
    """Write the preset that training starts from."""
    pretrainer = load(config.source, config.generator)
    if config.vocabulary is not None:
        tokenizer = ElectraTokenizer(
            config.vocabulary,
            **normalizer_options(config.cased, config.keep_accents),
        )
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
    model, tokenizer = Place.parse(source).load()
    if tokenizer is None:
        raise ValueError(
            f"{source} has no vocabulary: put its vocab.txt there."
        )
    if isinstance(model, ElectraPretrainer) and generator is None:
        return model
    other = generator and Place.parse(generator).load()[0]
    pretrainer, fresh = parts.join(model, other, tokenizer=tokenizer)
    print(f"starting afresh: {', '.join(fresh) or 'nothing'}")
    return pretrainer


if __name__ == "__main__":
    sys.exit(run())
