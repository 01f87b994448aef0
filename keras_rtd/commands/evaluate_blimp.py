"""Score a pre-trained model on BLiMP: which of two sentences is more probable?

    python recipes/evaluate_blimp.py --model=runs/mine/preset --data=blimp/

`--model` is a preset directory, `hf:DIR`, `keras_hub:DIR`, `google:PREFIX` or
`preset:DIR`. `--data` is the folder of BLiMP's 67 files
(https://github.com/alexwarstadt/blimp, `.jsonl` or `.jsonl.gz`) or one of them.
It prints a table of phenomena and files, and writes it as JSON.

Nothing is trained. Chance is 50. docs/experiments/2026/weights.md has the time
for all 67 files with the tiny preset, and its scores.
"""

import dataclasses
import sys
import time

from keras_rtd.evaluation import blimp
from keras_rtd.evaluation import evaluate
from keras_rtd.evaluation.sentence_scoring import SCORERS
from keras_rtd.pretraining.run import run_safely
from keras_rtd.utils.command_line import parse_group
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import Settings
from keras_rtd.utils.setting import setting
from keras_rtd.utils.targets import Kind
from keras_rtd.utils.targets import check_target
from keras_rtd.utils.targets import has_keys
from keras_rtd.utils.writing import write_json

FIGURES = Kind(
    "figures of BLiMP", lambda path: has_keys(path, "scorer", "paradigms")
)


@dataclasses.dataclass(frozen=True)
class BlimpSettings(Settings):
    model: str | None = setting(
        None, "Preset directory, or FORMAT:PATH.", none="none, it is needed"
    )
    data: tuple[str, ...] = setting(
        (), "Folder of BLiMP's files, or one file.", nargs="+"
    )
    scorer: str = setting(
        "discriminator", "Encoder that scores.", choices=SCORERS
    )
    files: tuple[str, ...] = setting(
        (), "Names of the files that are scored; none scores all.", nargs="+"
    )
    limit: int | None = setting(None, "Pairs per file.", none="all", at_least=1)
    batch_tokens: int = setting(
        4096,
        "Tokens per batch, padding included.",
        at_least=1,
        at_most=1 << 24,
    )
    output: str = setting(
        "blimp.json", "JSON file that the figures are written to."
    )

    def __post_init__(self):
        super().__post_init__()
        if self.model is None:
            raise SettingError("model", "given", self.model)
        if len(self.data) != 1:
            raise SettingError("data", "one folder or file", self.data)


def score(config):
    (data,) = config.data
    start = time.perf_counter()
    check_target(config.output, FIGURES, [data, config.model])
    result = evaluate(
        config.model,
        "blimp",
        data,
        scorer=config.scorer,
        files=config.files or None,
        limit=config.limit,
        batch_tokens=config.batch_tokens,
        progress=True,
    )
    seconds = round(time.perf_counter() - start, 1)
    print(blimp.table(result))
    result = {"model": config.model, "seconds": seconds, **result}
    write_json(config.output, result, FIGURES)
    print(f"{seconds:.0f} seconds; all figures in {config.output}")


def main(argv=None):
    """The command; returns the exit status."""
    return run_safely(lambda: score(parse_group(BlimpSettings, __doc__, argv)))


if __name__ == "__main__":
    sys.exit(main())
