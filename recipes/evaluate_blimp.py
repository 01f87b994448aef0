"""BLiMP: which of two sentences does a pre-trained model find more probable?

    python recipes/evaluate_blimp.py --model=runs/mine/preset --data=blimp/

`--model` is a preset directory, or as elsewhere `hf:DIR`, `keras_hub:DIR`,
`google:PREFIX` or `preset:DIR`. `--data` is the folder of BLiMP's 67 files
(https://github.com/alexwarstadt/blimp, `.jsonl` or `.jsonl.gz`) or one of
them. Prints a table of phenomena and files, and writes it as JSON.

Nothing is trained. Chance is 50. Time for all 67 files with the tiny preset,
and what it reaches: docs/experiments.md.
"""

import dataclasses
import sys
import time

from keras_rtd.evaluation import blimp
from keras_rtd.evaluation import evaluate
from keras_rtd.evaluation.sentence_scoring import SCORERS
from keras_rtd.pretraining import setting
from keras_rtd.pretraining.settings import ConfigError
from keras_rtd.pretraining.settings import parse_arguments
from keras_rtd.utils.targets import Kind
from keras_rtd.utils.targets import check_target
from keras_rtd.utils.targets import has_keys
from keras_rtd.utils.writing import write_json

FIGURES = Kind(
    "figures of BLiMP", lambda path: has_keys(path, "scorer", "paradigms")
)


@dataclasses.dataclass(frozen=True)
class BlimpConfig:
    model: str | None = setting(None, "preset directory, or FORMAT:PATH")
    data: tuple = setting((), "folder of BLiMP's files, or one file", nargs="+")
    scorer: str = setting(
        "discriminator", "which of the two networks", choices=SCORERS
    )
    files: tuple = setting((), "names of files (default all)", nargs="+")
    limit: int | None = setting(None, "pairs a file (default all)")
    batch_tokens: int = setting(4096, "tokens a batch, padding included")
    output: str = setting("blimp.json", "where the figures are written")

    def __post_init__(self):
        for name, good, rule in (
            ("model", self.model is not None, "given"),
            ("data", len(self.data) == 1, "one folder or file"),
            ("limit", self.limit is None or self.limit >= 1, "at least 1"),
            ("batch_tokens", self.batch_tokens >= 1, "at least 1"),
        ):
            if not good:
                raise ConfigError(
                    f"--{name} must be {rule}. "
                    f"Received: {getattr(self, name)!r}"
                )


def run(argv=None):
    config = parse_arguments(BlimpConfig, __doc__, argv)
    (data,) = config.data
    start = time.perf_counter()
    try:
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
    except (ValueError, OSError, ImportError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    seconds = round(time.perf_counter() - start, 1)
    print(blimp.table(result))
    result = {"model": config.model, "seconds": seconds, **result}
    write_json(config.output, result, FIGURES)
    print(f"{seconds:.0f} seconds; all figures in {config.output}")
    return 0


if __name__ == "__main__":
    sys.exit(run())
