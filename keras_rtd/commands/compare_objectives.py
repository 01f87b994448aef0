"""Compare objectives, or other settings, with the same compute.

    python recipes/compare_objectives.py --data=corpus/prepared \\
        --objectives electra mlm all_tokens_mlm electra_15 --seeds 0 1 \\
        --flops=1e14 --run_dir=runs/compare --workers=2

    python recipes/compare_objectives.py --data=corpus/prepared \\
        --variants "adamw:" "muon: --optimizer=muon" \\
        "separate: --embedding_sharing=separate" --flops=1e14

A variant is a name and flags of the pre-training recipes; other flags apply to
all variants. Every run trains for as many steps as the budget allows. FLOPs are
those of the matrix products of the forward and backward pass, with backward
counted as twice forward, so an objective without a generator takes more steps.
The optimiser's FLOPs and the training of a frozen generator are not counted.

Several budgets (--flops 3e13 1e14) train each entry once per budget, in
separate folders, because a learning rate that falls to zero belongs to one
budget. The picture then shows the final scores against FLOPs, and a text below
the table says how much less compute one entry needs to reach the final score of
another.

With --against=temperature the picture shows the final scores against that
setting; every variant must give it as a number. --report_only trains nothing
and writes the table and the picture of the finished runs.

--workers=2 trains two runs at a time, each in a process with one thread. On
CPUs this is faster than one run after the other with two threads. The same
command again skips finished runs and continues interrupted ones. It writes
`NAME-SEED/` (a run directory each), `comparison.md`, `comparison.json` and
`comparison.svg`.
--blimp adds BLiMP scores of detectors (sum of log-probabilities of "original")
and of masked LM (pseudo-log-likelihood). --glue and --tagging fine-tune every
encoder on the tasks whose files they find.
"""

import gc
import pathlib
import sys

from keras_rtd import objectives
from keras_rtd.evaluation import evaluate
from keras_rtd.pretraining import comparison
from keras_rtd.pretraining import comparison_picture
from keras_rtd.pretraining import pretrain
from keras_rtd.pretraining.comparison_plan import DEFAULTS
from keras_rtd.pretraining.comparison_plan import TRAINED_SUITES
from keras_rtd.pretraining.comparison_plan import Comparison
from keras_rtd.pretraining.comparison_plan import flags
from keras_rtd.pretraining.report import read_metrics
from keras_rtd.pretraining.resolution import OLD
from keras_rtd.pretraining.run import run_safely
from keras_rtd.pretraining.run_directory import RunDirectory
from keras_rtd.pretraining.workers import end_with_parent
from keras_rtd.pretraining.workers import run_side_by_side
from keras_rtd.utils import json_file
from keras_rtd.utils.command_line import parse
from keras_rtd.utils.targets import check_folder
from keras_rtd.utils.targets import has_keys

SUITES = "suites.json"
MODULE = "keras_rtd.commands.compare_objectives"


def compare(plan, argv):
    """All runs, then the table and the picture of what there is.

    Raises:
        ValueError: some runs ended with an error.
    """
    config = plan.settings
    if config.only is not None:
        run, _ = plan.run(config.only)
        train(run, config)
        return
    check_folder(
        plan.run_dir,
        ("comparison.json", "comparison.md", "comparison.svg"),
        lambda path: has_keys(path / "comparison.json", "summary", "runs"),
        "the directory of a comparison",
    )
    runs = {key: plan.run(key) for key in plan.runs()}
    statuses = {}
    if config.workers > 1 and not config.report_only:
        statuses = train_side_by_side(runs, config, argv)
    done = []
    in_turn = config.workers == 1 and not config.report_only
    for key, (run, per_token) in runs.items():
        if in_turn and not train(run, config):
            break
        if finished(run):
            name, _, budget = plan.runs()[key]
            done.append(result(name, run, budget, per_token, config))
            write(pathlib.Path(plan.run_dir), done, config.against)
    if done:
        print(comparison.report(done))
        print(f"{plan.run_dir}: comparison.md, comparison.json, comparison.svg")
    wrong = [f"{key} (status {s})" for key, s in statuses.items() if s]
    if wrong:
        raise ValueError(
            f"These runs ended with an error: {', '.join(wrong)}. What they "
            "said stands above; the same command goes on."
        )
    if len(done) < len(runs):
        print(
            f"{len(runs) - len(done)} of {len(runs)} runs are not finished: "
            "the same command continues them"
            + (", without --report_only" if config.report_only else "")
        )


def train(run, config):
    """One run to its end, with its scores; returns whether it came there."""
    import keras  # Not for `--help`.

    pretrain(run)
    keras.utils.clear_session()
    gc.collect()
    if not finished(run):
        return False
    suites(folder_of(run), run.objective.name, config)
    return True


def train_side_by_side(runs, config, argv):
    """The runs that are not finished, each by a process of this command.

    Returns:
        dict of run to exit status.
    """
    commands = {
        key: [sys.executable, "-u", "-m", MODULE, *argv, f"--only={key}"]
        for key, (run, _) in runs.items()
        if not complete(run, config)
    }
    return run_side_by_side(
        commands, config.workers, lambda line: print(line, flush=True)
    )


def folder_of(run):
    """`pathlib.Path` of a run's directory."""
    return pathlib.Path(run.run.run_dir)


def finished(run):
    """Whether a run's training ended, everything written."""
    return RunDirectory(run.run.run_dir).finished


def complete(run, config):
    """Whether nothing is left to do, suites included."""
    if not finished(run):
        return False
    found = set(read_suites(folder_of(run)))
    scores = config.blimp and scorer_of(run.objective.name) is not None
    if scores and "BLiMP" not in found:
        return False
    for suite, (_, options) in config.trained_suites().items():
        asked = set(options["tasks"] or ())
        # Without names the suite takes the tasks whose files are there, and
        # any score says that it did.
        if not asked <= found or not found & set(TRAINED_SUITES[suite]):
            return False
    return True


def result(name, run, budget, per_token, config):
    """What `keras_rtd.pretraining.comparison` takes of a finished run."""
    folder, objective = folder_of(run), run.objective.name
    rows = read_metrics(folder / "metrics.jsonl")
    for row in rows:
        row["flops"] = row["tokens"] * per_token
    return {
        "name": name,
        "objective": objective,
        "seed": run.run.seed,
        "steps": run.run.train_steps,
        "at": config.against and run.value(config.against),
        "budget": budget,
        "flops": rows[-1]["flops"],
        "flops_per_token": per_token,
        "rows": rows,
        "suites": read_suites(folder)
        if config.report_only
        else suites(folder, objective, config),
    }


def suites(folder, objective, config):
    """Scores of a finished run's preset; kept in its folder."""
    path, found = folder / SUITES, read_suites(folder)
    preset, scorer = str(folder / "preset"), scorer_of(objective)
    if config.blimp and scorer is not None and "BLiMP" not in found:
        scores = evaluate(preset, "blimp", config.blimp, scorer=scorer)
        found["BLiMP"] = scores["overall"]
        RunDirectory(folder).write_json(path, found)
    for suite, (files, options) in config.trained_suites().items():
        # What is done already is not done again.
        scores = evaluate(
            preset, suite, files, run_dir=str(folder / suite), **options
        )
        for name, row in scores["tasks"].items():
            found[name] = row["median"][row["metric"]]
        RunDirectory(folder).write_json(path, found)
    return found


def read_suites(folder):
    """Scores that a run has already: dict."""
    path = folder / SUITES
    return json_file.read_object(path) if path.exists() else {}


def scorer_of(objective):
    """How the kept encoder of an objective scores a sentence, or `None`."""
    scorers = {
        "replaced_token_detector": "discriminator",
        "masked_lm": "generator",
    }
    for task, (encoder, _) in objectives.get(objective).tasks().items():
        # A masked language model may be the generator's.
        if encoder == "backbone":
            return scorers[task]
    return None


def write(folder, runs, against):
    """The files of the comparison, each whole or not at all."""
    files = RunDirectory(folder)
    files.write_json(
        folder / "comparison.json",
        {"summary": comparison.summarise(runs), "runs": runs},
    )
    files.write_text(folder / "comparison.md", comparison.report(runs))
    picture = comparison_picture.picture(runs, against)
    files.write_text(folder / "comparison.svg", picture)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv

    def work():
        given = parse(flags(), __doc__, DEFAULTS, argv, OLD)
        end_with_parent()
        compare(Comparison(given), argv)

    return run_safely(work)


if __name__ == "__main__":
    sys.exit(main())
