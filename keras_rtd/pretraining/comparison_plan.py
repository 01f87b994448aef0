"""Which runs a comparison has, each with the same compute."""

import dataclasses
import pathlib
import re

from keras_rtd import objectives
from keras_rtd.evaluation import glue
from keras_rtd.evaluation import tagging
from keras_rtd.layers.masking import MaskingOptions
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraPretrainer
from keras_rtd.pretraining.ingredients import pretrainer_arguments
from keras_rtd.pretraining.resolution import OLD
from keras_rtd.pretraining.resolution import resolve
from keras_rtd.pretraining.run_directory import local_folder
from keras_rtd.pretraining.settings import flags as run_flags
from keras_rtd.utils.command_line import parse_text
from keras_rtd.utils.setting import ConfigError
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import Settings
from keras_rtd.utils.setting import setting
from keras_rtd.utils.settings import NONE
from keras_rtd.utils.settings import as_flags
from keras_rtd.utils.settings import flags_of
from keras_rtd.utils.settings import make_group
from keras_rtd.utils.settings import typed

# Of every run, where its preset is not another one.
DEFAULTS = {
    "preset": "electra_tiny_uncased_en",
    "run_dir": "runs/compare",
    "batch_size": 32,
    "sequence_length": 128,
    "checkpoint_every": 500,
    "eval_every": 500,
}

# What the comparison decides, and what a variant may not.
DECIDED = ("objective", "seed", "train_steps", "phase2_steps")
NOT_VARIED = ("seed", "train_steps", "phase2_steps", "run_dir")

# Suites that train, and their tasks.
TRAINED_SUITES = {"glue": tuple(glue.TASKS), "tagging": tuple(tagging.TASKS)}

DEFAULT_OBJECTIVES = ("electra", "mlm", "all_tokens_mlm", "electra_15")


@dataclasses.dataclass(frozen=True)
class ComparisonSettings(Settings):
    """What is compared, and by what."""

    objectives: tuple[str, ...] = setting(
        (),
        "Objectives to compare. Without --variants: "
        f"{' '.join(DEFAULT_OBJECTIVES)}.",
        nargs="+",
    )
    variants: tuple[str, ...] = setting(
        (),
        'Settings to compare, each "NAME: --flag=value ...", e.g. "plain:" '
        '"muon: --optimizer=muon". Other settings are as given here.',
        nargs="+",
    )
    seeds: tuple[int, ...] = setting(
        (0,), "Random seeds, a run of each entry with each.", nargs="+"
    )
    flops: tuple[float, ...] = setting(
        (1e13,),
        "Compute of each run in counted FLOPs. Several: a run of each entry "
        "with each.",
        nargs="+",
    )
    against: str | None = setting(
        None,
        "Setting in which the variants differ, e.g. temperature, for the "
        "horizontal axis of the picture.",
        none="FLOPs",
    )
    workers: int = setting(
        1,
        "Runs side by side, each in a process with one thread; 1 starts no "
        "process.",
        at_least=1,
        at_most=1024,
    )
    only: str | None = setting(
        None,
        "One run, NAME-SEED (FLOPS/NAME-SEED with several budgets), without "
        "the comparison, for several hosts.",
        none="all runs",
    )
    report_only: bool = setting(
        False, "Train nothing: write table and picture of finished runs."
    )
    blimp: str | None = setting(
        None, "Folder of BLiMP's files to score with.", none="none"
    )
    glue: str | None = setting(
        None, "Folder of GLUE's files to fine-tune on.", none="none"
    )
    glue_tasks: tuple[str, ...] = setting(
        (), "Tasks of GLUE; none takes all whose files are there.", nargs="+"
    )
    glue_epochs: int | None = setting(
        None,
        "Epochs over the training data of a task of GLUE.",
        none="as published, 3, and 10 for RTE and STS-B",
        at_least=1,
    )
    tagging: str | None = setting(
        None,
        "Folder that holds conll2000's or wnut17's to fine-tune on.",
        none="none",
    )
    tagging_tasks: tuple[str, ...] = setting(
        (), "Tagging tasks; none takes all whose files are there.", nargs="+"
    )
    tagging_epochs: int | None = setting(
        None,
        "Epochs over the training data of a tagging task.",
        none="3",
        at_least=1,
    )

    def __post_init__(self):
        super().__post_init__()
        if not self.objectives and not self.variants:
            object.__setattr__(self, "objectives", DEFAULT_OBJECTIVES)
        known = objectives.OBJECTIVES
        self.check(
            "objectives",
            set(self.objectives) <= set(known),
            f"some of {', '.join(known)}",
        )
        self.check("seeds", min(self.seeds) >= 0, "numbers from 0")
        self.check("flops", min(self.flops) > 0, "above 0")
        names = {short(budget) for budget in self.flops}
        self.check(
            "flops", len(names) == len(self.flops), "different in three digits"
        )
        for suite, tasks in TRAINED_SUITES.items():
            self.check(
                f"{suite}_tasks",
                set(getattr(self, f"{suite}_tasks")) <= set(tasks),
                f"of {', '.join(tasks)}",
            )
        self.check(
            "report_only",
            not self.report_only or self.only is None,
            "left out beside --only, which trains",
        )

    def check(self, name, good, rule):
        if not good:
            raise SettingError(name, rule, getattr(self, name))

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


class Comparison:
    """The runs of a comparison.

    Args:
        given: dict of setting to value: those of `ComparisonSettings`, and of
            pre-training those that all runs have.

    Attributes:
        settings: `ComparisonSettings`.
        run_dir: string.

    Raises:
        ConfigError: a value that cannot be used.
    """

    def __init__(self, given):
        known = flags()
        given = typed(given, known, OLD)
        own = flags_of([("comparison", ComparisonSettings)])
        self.given = {k: v for k, v in given.items() if k not in own}
        values = {k: None if v == NONE else v for k, v in given.items()}
        try:
            self.settings = make_group(ComparisonSettings, values)
            self._check()
        except SettingError as e:
            raise ConfigError(as_flags(e, known)) from e

    def _check(self):
        given, own = self.given, self.settings
        self.run_dir = local_folder(given.get("run_dir", DEFAULTS["run_dir"]))
        for name in DECIDED:
            if name in given:
                why = "left out: --objectives, --seeds and --flops decide it"
                raise SettingError(name, why, given[name])
        own.check(
            "against",
            own.against is None or own.against in run_flags(),
            "a setting's name",
        )
        entries = self.entries()
        own.check(
            "variants",
            len(entries) == len(own.objectives) + len(own.variants),
            "of different names",
        )
        own.check(
            "only",
            own.only is None or own.only in self.runs(),
            f"one of {', '.join(self.runs())}",
        )
        used = [entry.get("objective") for entry in entries.values()]
        if None in used:
            # The preset's, which is read with the first run.
            return
        options = {name for o in used for name in objectives.option_names(o)}
        for name, flag in run_flags().items():
            if (
                name in given
                and flag.group == "objective"
                and name not in options
            ):
                rule = (
                    f"left out: --objective={' or '.join(used)} has no such "
                    "option"
                )
                raise SettingError(name, rule, given[name])

    def entries(self):
        """What is compared: dict of name to the settings of its own."""
        found: dict[str, dict] = {
            name: {"objective": name} for name in self.settings.objectives
        }
        for text in self.settings.variants:
            name, colon, text = text.partition(":")
            if not colon or not re.fullmatch(r"[\w.+-]+", name):
                raise ConfigError(
                    "--variants must be of the form NAME: --flag=value ..., "
                    f"with a name of letters and digits. Received: "
                    f"{name + colon + text!r}"
                )
            try:
                given = parse_text(run_flags(), text, OLD)
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
        several = len(self.settings.flops) > 1
        return {
            (f"{short(budget)}/" if several else "") + f"{name}-{seed}": (
                name,
                seed,
                budget,
            )
            for budget in sorted(self.settings.flops)
            for seed in self.settings.seeds
            for name in self.entries()
        }

    def run(self, key):
        """(settings of one of `runs`, FLOPs of a token); what is given for all
        runs and its objective has not is left out."""
        name, seed, budget = self.runs()[key]
        own = self.entries()[name]
        values = {
            **self._of_all(own),
            "seed": seed,
            "run_dir": str(pathlib.Path(self.run_dir) / key),
            **own,
        }
        try:
            settings = resolve(DEFAULTS, None, values)
        except ConfigError as e:
            raise ConfigError(f"{name}: {e}") from e
        against = self.settings.against
        if against is not None:
            # As the run has it: what its objective has not is left out above.
            value = settings.value(against)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(
                    f"--against={against}: {name} has no number for it. "
                    f"Give it, e.g. --variants '{name}: --{against}=1'"
                )
        per_token = flops_per_token(settings)
        run, each = settings.run, settings.devices.steps_per_execution
        step = per_token * run.batch_size * settings.data.sequence_length
        steps = int(budget // step)
        steps -= steps % each
        if steps < 1:
            raise ConfigError(
                f"--flops {short(budget)} is less than one call of {name}, "
                f"{step * each:.3g}"
            )
        run = dataclasses.replace(run, train_steps=steps)
        return dataclasses.replace(settings, run=run), per_token

    def _of_all(self, own):
        """What is given for all runs and this one's objective has."""
        objective = own.get("objective")
        if objective is None:
            return self.given
        options = objectives.option_names(objective)
        kind = objectives.find(objective)
        alone = kind.generator_class(ElectraBackbone) is None
        return {
            name: value
            for name, value in self.given.items()
            if (run_flags()[name].group != "objective" or name in options)
            and not (
                alone
                and (
                    "generator" in name
                    or name in ("embedding_sharing", "replacements")
                )
            )
        }


def flags():
    """The flags of a comparison: dict of name to `Flag`."""
    return {
        **flags_of([("comparison", ComparisonSettings)]),
        **run_flags(),
    }


def short(flops):
    """A budget in three digits: 1e14, 2.5e13."""
    return f"{flops:.3g}".replace("e+", "e")


def flops_per_token(settings):
    """Counted FLOPs of one token of a run's training."""
    # The dtype does not matter; "auto" would start the devices.
    devices = dataclasses.replace(settings.devices, dtype="float32")
    model = ElectraPretrainer.from_preset(
        compile=False,
        **pretrainer_arguments(
            settings.model,
            settings.generator,
            settings.objective,
            devices,
            settings.run,
            settings.of_preset,
            settings.data.sequence_length,
        ),
    )
    data = settings.data
    masking = MaskingOptions(data.mask_rate, windows=data.mask_windows)
    slots = masking.num_slots(data.sequence_length)
    return model.objective.flops_per_token(
        model,
        data.sequence_length,
        slots,
        given_samples=data.replacements is not None,
    )
