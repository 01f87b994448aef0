"""Objectives beside each other, each with the same compute and seeds.

    python recipes/compare_objectives.py --data=corpus/prepared \\
        --objectives electra mlm all_tokens_mlm electra_15 --seeds 0 1 \\
        --flops=1e14 --run_dir=runs/compare

Every objective trains for as many steps as the budget allows: FLOPs are those
of the matrix products that it computes, backward counted as twice forward, so
an objective without a generator takes more steps. The same command again
skips what is finished and continues what was killed. Written are
`OBJECTIVE-SEED/` (a run directory each), `comparison.md`, `comparison.json`
and `comparison.svg`. --blimp adds the scores of detectors (sum of
log-probabilities of "original") and of mlm (pseudo-log-likelihood); --glue
fine-tunes every encoder on the tasks whose files are there.
"""

import dataclasses
import gc
import json
import pathlib
import sys

import keras

from keras_rtd import objectives
from keras_rtd.evaluation import evaluate
from keras_rtd.evaluation.glue import TASKS
from keras_rtd.layers.masking import MaskingOptions
from keras_rtd.pretraining import PretrainConfig
from keras_rtd.pretraining import comparison
from keras_rtd.pretraining import pretrain
from keras_rtd.pretraining import setting
from keras_rtd.pretraining.config import OBJECTIVE_OPTIONS
from keras_rtd.pretraining.ingredients import build_pretrainer
from keras_rtd.pretraining.report import read_metrics
from keras_rtd.pretraining.run import run_safely
from keras_rtd.pretraining.run_directory import RunDirectory
from keras_rtd.pretraining.settings import ConfigError
from keras_rtd.pretraining.settings import parse_arguments
from keras_rtd.utils.flops import training_flops

DECIDED = ("objective", "seed", "train_steps")


@dataclasses.dataclass(frozen=True)
class CompareConfig(PretrainConfig):
    remote_run_dir = False

    preset: str = setting("electra_tiny_uncased_en", "bundled preset or folder")
    run_dir: str = setting("runs/compare", "where everything is written")
    objectives: tuple = setting(
        ("electra", "mlm", "all_tokens_mlm", "electra_15"),
        "what is compared",
        nargs="+",
    )
    seeds: tuple = setting((0,), "a run of each objective a seed", nargs="+")
    flops: float = setting(1e13, "compute of each run, in counted FLOPs")
    blimp: str | None = setting(None, "folder of BLiMP's files to score with")
    glue: str | None = setting(None, "folder of GLUE's files to fine-tune on")
    glue_tasks: tuple = setting(
        (), "which of its tasks (default: all that are there)", nargs="+"
    )
    batch_size: int = setting(32, "windows a step")
    checkpoint_every: int = setting(500, "steps between checkpoints")
    eval_every: int = setting(500, "steps between evaluations")

    def __post_init__(self):
        for name in ("objectives", "seeds", "glue_tasks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in self.objectives:
            known = objectives.OBJECTIVES
            self.check(
                "objectives", name in known, f"some of {', '.join(known)}"
            )
        good = all(str(seed).isdigit() for seed in self.seeds)
        self.check("seeds", good, "numbers from 0")
        object.__setattr__(self, "seeds", tuple(map(int, self.seeds)))
        for name in self.glue_tasks:
            self.check("glue_tasks", name in TASKS, f"of {', '.join(TASKS)}")
        self.check("flops", self.flops > 0, "above 0")
        for name in DECIDED:
            self.check(
                name,
                getattr(self, name) == self.defaults()[name],
                "left out: --objectives, --seeds and --flops decide it",
            )
        super().__post_init__()

    def _check_objective_options(self):
        known = {
            option
            for name in self.objectives
            for option in objectives.option_names(name)
        }
        for name in OBJECTIVE_OPTIONS:
            self.check(
                name,
                name in known or getattr(self, name) == self.defaults()[name],
                "left out: none of the objectives has such an option",
            )

    def run(self, objective, seed):
        """(settings of one run, FLOPs of a token); what the run's objective
        has not is left out."""
        known = objectives.option_names(objective)
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(PretrainConfig)
        }
        for name in OBJECTIVE_OPTIONS:
            if name not in known:
                values[name] = self.defaults()[name]
        if objectives.OBJECTIVES[objective].generator is None:
            for name in values:
                if name.startswith("generator_"):
                    values[name] = None
            values["embedding_sharing"] = "shared"
        folder = pathlib.Path(self.run_dir) / f"{objective}-{seed}"
        values |= {
            "objective": objective,
            "seed": seed,
            "run_dir": str(folder),
        }
        config = PretrainConfig(**values)
        per_token = flops_per_token(config)
        step = per_token * config.batch_size * config.sequence_length
        steps = int(self.flops // step)
        if steps < 1:
            raise ConfigError(
                f"--flops {self.flops:g} is less than one step of {objective}, "
                f"{step:.3g}"
            )
        return dataclasses.replace(config, train_steps=steps), per_token


def flops_per_token(config):
    """Counted FLOPs of one token of a run's training."""
    model = build_pretrainer(config)
    slots = MaskingOptions(mask_rate=config.mask_rate).num_slots(
        config.sequence_length
    )
    return training_flops(model, config.sequence_length, slots)


def compare(config):
    """All runs, then the table and the picture of what there is.

    Returns:
        bool. Whether all runs are finished.
    """
    folder = pathlib.Path(config.run_dir)
    runs = []
    for seed in config.seeds:
        for objective in config.objectives:
            run, per_token = config.run(objective, seed)
            pretrain(run)
            keras.utils.clear_session()
            gc.collect()
            if not RunDirectory(run.run_dir).finished:
                return False
            runs.append(result(run, per_token, config))
            write(folder, runs)
    print(comparison.table(runs))
    print(f"{folder}: comparison.md, comparison.json, comparison.svg")
    return True


def result(run, per_token, config):
    """What `keras_rtd.pretraining.comparison` takes of a finished run."""
    folder = pathlib.Path(run.run_dir)
    rows = read_metrics(folder / "metrics.jsonl")
    for row in rows:
        row["flops"] = row["tokens"] * per_token
    return {
        "objective": run.objective,
        "seed": run.seed,
        "steps": run.train_steps,
        "flops": rows[-1]["flops"],
        "flops_per_token": per_token,
        "rows": rows,
        "suites": suites(folder, run.objective, config),
    }


def suites(folder, objective, config):
    """Scores of a finished run's preset; kept in its folder."""
    path, found = folder / "suites.json", {}
    if path.exists():
        found = json.loads(path.read_text("utf-8"))
    preset, scorer = str(folder / "preset"), scorer_of(objective)
    if config.blimp and scorer is not None and "BLiMP" not in found:
        scores = evaluate(preset, "blimp", config.blimp, scorer=scorer)
        found["BLiMP"] = scores["overall"]
        RunDirectory(folder).write_json(path, found)
    if config.glue:
        # What is done already is not done again.
        scores = evaluate(
            preset,
            "glue",
            config.glue,
            run_dir=str(folder / "glue"),
            tasks=list(config.glue_tasks) or None,
        )
        for name, row in scores["tasks"].items():
            found[name] = row["median"][row["metric"]]
        RunDirectory(folder).write_json(path, found)
    return found


def scorer_of(objective):
    """How the kept encoder of an objective scores a sentence, or `None`."""
    kind = objectives.OBJECTIVES[objective]
    if kind.has_detector:
        return "discriminator"
    # With a generator, that one would be what fills the masks.
    return "generator" if kind.generator is None else None


def write(folder, runs):
    """The files of the comparison, each whole or not at all."""
    files = RunDirectory(folder)
    files.write_json(
        folder / "comparison.json",
        {"summary": comparison.summarise(runs), "runs": runs},
    )
    files.write_text(folder / "comparison.md", comparison.table(runs))
    files.write_text(folder / "comparison.svg", comparison.picture(runs))


def main(argv=None):
    config = parse_arguments(CompareConfig, __doc__, argv)
    return run_safely(compare, config)


if __name__ == "__main__":
    sys.exit(main())
