"""Which runs a comparison has, each with the same compute."""

import dataclasses
import pathlib
import re

from keras_rtd import objectives
from keras_rtd.evaluation import glue
from keras_rtd.evaluation import tagging
from keras_rtd.layers.masking import MaskingOptions
from keras_rtd.models import ElectraBackbone
from keras_rtd.pretraining.config import PretrainConfig
from keras_rtd.pretraining.config_checks import OBJECTIVE_OPTIONS
from keras_rtd.pretraining.config_checks import check_objective_options
from keras_rtd.pretraining.ingredients import build_pretrainer
from keras_rtd.pretraining.settings import ConfigError
from keras_rtd.pretraining.settings import parse_flags
from keras_rtd.pretraining.settings import setting

# What the comparison decides, and what a variant may not.
DECIDED = ("objective", "seed", "train_steps")
NOT_VARIED = ("seed", "train_steps", "run_dir")

# Suites that train, and their tasks.
TRAINED_SUITES = {"glue": tuple(glue.TASKS), "tagging": tuple(tagging.TASKS)}

DEFAULT_OBJECTIVES = ("electra", "mlm", "all_tokens_mlm", "electra_15")


@dataclasses.dataclass(frozen=True)
class CompareConfig(PretrainConfig):
    """Settings of a comparison: those of its runs, and what differs.

    Raises:
        ConfigError: a value out of range.
    """

    remote_run_dir = False

    preset: str = setting("electra_tiny_uncased_en", "bundled preset or folder")
    run_dir: str = setting("runs/compare", "where everything is written")
    objectives: tuple = setting(
        (),
        "objectives to compare (default without --variants: "
        f"{' '.join(DEFAULT_OBJECTIVES)})",
        nargs="+",
    )
    variants: tuple = setting(
        (),
        'settings to compare, each "NAME: --flag=value ...", e.g. "plain:" '
        '"muon: --optimizer=muon"; what they leave out is as given here',
        nargs="+",
    )
    seeds: tuple = setting((0,), "a run of each a seed", nargs="+")
    flops: tuple = setting(
        (1e13,),
        "compute of each run, in counted FLOPs; several: a run of each with "
        "each, from the beginning",
        nargs="+",
    )
    against: str | None = setting(
        None,
        "setting in which the variants differ, e.g. temperature: the picture's "
        "horizontal axis (default: FLOPs)",
    )
    workers: int = setting(
        1, "runs side by side, each a process of one thread (1: no processes)"
    )
    only: str | None = setting(
        None,
        "one of the runs, NAME-SEED (FLOPS/NAME-SEED with several budgets), "
        "and no comparison: for several hosts",
    )
    report_only: bool = setting(
        False, "train nothing: table and picture of what is finished"
    )
    blimp: str | None = setting(None, "folder of BLiMP's files to score with")
    glue: str | None = setting(None, "folder of GLUE's files to fine-tune on")
    glue_tasks: tuple = setting(
        (), "which of its tasks (default: all that are there)", nargs="+"
    )
    glue_epochs: int | None = setting(
        None,
        "passes over a task's training data (default as published: 3, "
        "10 for RTE and STS-B)",
    )
    tagging: str | None = setting(
        None, "folder that holds conll2000's or wnut17's to fine-tune on"
    )
    tagging_tasks: tuple = setting(
        (), "which of them (default: all that are there)", nargs="+"
    )
    tagging_epochs: int | None = setting(
        None, "passes over their training data (default 3)"
    )
    batch_size: int = setting(32, "windows a step")
    checkpoint_every: int = setting(500, "steps between checkpoints")
    eval_every: int = setting(500, "steps between evaluations")

    def __post_init__(self):
        lists = ("objectives", "variants", "seeds", "flops")
        for name in (*lists, *(f"{suite}_tasks" for suite in TRAINED_SUITES)):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.objectives and not self.variants:
            object.__setattr__(self, "objectives", DEFAULT_OBJECTIVES)
        for name in self.objectives:
            known = objectives.OBJECTIVES
            self.check(
                "objectives", name in known, f"some of {', '.join(known)}"
            )
        good = all(str(seed).isdigit() for seed in self.seeds)
        self.check("seeds", good, "numbers from 0")
        object.__setattr__(self, "seeds", tuple(map(int, self.seeds)))
        for suite, tasks in TRAINED_SUITES.items():
            for name in getattr(self, f"{suite}_tasks"):
                self.check(
                    f"{suite}_tasks", name in tasks, f"of {', '.join(tasks)}"
                )
            epochs = getattr(self, f"{suite}_epochs")
            self.check(
                f"{suite}_epochs", epochs is None or epochs >= 1, "at least 1"
            )
        self._check_flops()
        self.check("workers", self.workers >= 1, "at least 1")
        for name in DECIDED:
            self.check(
                name,
                getattr(self, name) == self.defaults()[name],
                "left out: --objectives, --seeds and --flops decide it",
            )
        settings = [field.name for field in dataclasses.fields(PretrainConfig)]
        self.check(
            "against",
            self.against is None or self.against in settings,
            "a setting's name",
        )
        self.check(
            "report_only",
            not self.report_only or self.only is None,
            "left out beside --only, which trains",
        )
        super().__post_init__()
        names = list(self.entries())
        self.check(
            "only",
            self.only is None or self.only in self.runs(),
            f"one of {', '.join(self.runs())}",
        )
        self.check(
            "variants",
            len(names) == len(self.objectives) + len(self.variants),
            "of different names",
        )

    def _check_flops(self):
        try:
            object.__setattr__(self, "flops", tuple(map(float, self.flops)))
        except ValueError:
            self.check("flops", False, "numbers, such as 3e13")
        self.check("flops", all(f > 0 for f in self.flops), "above 0")
        names = {short(budget) for budget in self.flops}
        self.check(
            "flops", len(names) == len(self.flops), "different in three digits"
        )

    def _check_objective_options(self):
        used = [
            flags.get("objective", self.objective)
            for flags in self.entries().values()
        ]
        check_objective_options(self, used)

    def trained_suites(self):
        """Suites to fine-tune on: dict of name to (folder, what
        `keras_rtd.evaluation.evaluate` takes of it)."""
        found = {}
        for suite in TRAINED_SUITES:
            folder, tasks, epochs = (
                getattr(self, suite + part)
                for part in ("", "_tasks", "_epochs")
            )
            if folder:
                options = {"tasks": list(tasks) or None}
                if epochs is not None:
                    options["epochs"] = epochs
                found[suite] = folder, options
        return found

    def entries(self):
        """What is compared: dict of name to the settings of its own."""
        found: dict[str, dict] = {
            name: {"objective": name} for name in self.objectives
        }
        for text in self.variants:
            name, colon, flags = text.partition(":")
            if not colon or not re.fullmatch(r"[\w.+-]+", name):
                raise ConfigError(
                    "--variants must be of the form NAME: --flag=value ..., "
                    f"with a name of letters and digits. Received: {text!r}"
                )
            try:
                given = parse_flags(PretrainConfig, flags)
            except ConfigError as e:
                raise ConfigError(f"--variants, {name}: {e}") from e
            for flag in NOT_VARIED:
                if flag in given:
                    raise ConfigError(
                        f"--variants, {name}: --{flag} must be left out"
                    )
            found[name] = given
        return found

    def runs(self):
        """All runs: dict of NAME-SEED, with several budgets FLOPS/NAME-SEED,
        to (name, seed, FLOPs), the smallest first, seed by seed."""
        several = len(self.flops) > 1
        return {
            (f"{short(budget)}/" if several else "") + f"{name}-{seed}": (
                name,
                seed,
                budget,
            )
            for budget in sorted(self.flops)
            for seed in self.seeds
            for name in self.entries()
        }

    def run(self, key):
        """(settings of one of `runs`, FLOPs of a token); what is given for all
        runs and its objective has not is left out."""
        name, seed, budget = self.runs()[key]
        own = self.entries()[name]
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(PretrainConfig)
        }
        objective = own.get("objective", self.objective)
        known = objectives.option_names(objective)
        defaults = self.defaults()
        for option in OBJECTIVE_OPTIONS:
            if option not in known:
                values[option] = defaults[option]
        kind = objectives.find(objective)
        alone = kind.generator_class(ElectraBackbone) is None
        for option in values:
            of_generator = "generator" in option or option in (
                "embedding_sharing",
                "replacements",
            )
            if alone and of_generator:
                values[option] = defaults[option]
        values |= {
            "objective": objective,
            "seed": seed,
            "run_dir": str(pathlib.Path(self.run_dir) / key),
            **own,
        }
        values["data"] = tuple(values["data"])
        try:
            config = PretrainConfig(**values)
        except ConfigError as e:
            raise ConfigError(f"{name}: {e}") from e
        if self.against is not None:
            # As the run has it: what its objective has not is left out above.
            value = getattr(config, self.against)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(
                    f"--against={self.against}: {name} has no number for it. "
                    f"Give it, e.g. --variants '{name}: --{self.against}=1'"
                )
        per_token = flops_per_token(config)
        step = per_token * config.batch_size * config.sequence_length
        steps = int(budget // step)
        steps -= steps % config.steps_per_execution
        if steps < 1:
            raise ConfigError(
                f"--flops {short(budget)} is less than one call of {name}, "
                f"{step * config.steps_per_execution:.3g}"
            )
        return dataclasses.replace(config, train_steps=steps), per_token


def short(flops):
    """A budget in three digits: 1e14, 2.5e13."""
    return f"{flops:.3g}".replace("e+", "e")


def flops_per_token(config):
    """Counted FLOPs of one token of a run's training."""
    model = build_pretrainer(config)
    slots = MaskingOptions(mask_rate=config.mask_rate).num_slots(
        config.sequence_length
    )
    return model.objective.flops_per_token(
        model,
        config.sequence_length,
        slots,
        given_samples=config.replacements is not None,
    )
