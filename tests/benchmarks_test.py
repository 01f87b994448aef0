import dataclasses
import pathlib
import subprocess
import sys

import pytest

from keras_rtd.pretraining.scaling import preset_sizes

ROOT = pathlib.Path(__file__).parent.parent

sys.path.insert(0, str(ROOT / "benchmarks"))
case = pytest.importorskip("case")
sizes = pytest.importorskip("sizes")
table = pytest.importorskip("table")


@pytest.mark.parametrize("name", ["tiny", "small", "base", "large"])
def test_peers_have_the_sizes_of_the_presets(name):
    size, ours = sizes.SIZES[name], preset_sizes(f"electra_{name}_uncased_en")
    for peer, part in (
        (size.backbone, ours.backbone),
        (size.generator, ours.generator),
    ):
        assert dataclasses.asdict(peer).items() <= vars(part).items()


def test_batches_are_as_the_pretrainer_takes_them():
    batch = sizes.batches(sizes.SIZES["tiny"], 4, 32, count=1)[0]
    assert batch["mask_positions"].shape == (4, 4)
    masked = batch["masked_token_ids"] == sizes.MASK_ID
    assert (masked.sum(axis=1) == 4).all()
    assert (batch["token_ids"][masked] == batch["mask_ids"].ravel()).all()


def row(implementation, speed, dtype="float32", variant=""):
    measured = case.Case(
        implementation, "torch", "small", dtype, variant=variant
    )
    return {
        **measured.row(),
        "tokens_per_second": speed,
        "first_step_seconds": 1.0,
        "peak_memory_bytes": 2**30,
        "imports_memory_bytes": 2**29,
        "matmul_fraction": 0.5,
    }


def result(ours, theirs):
    return {
        "date": "2026-11-22",
        "rows": [
            row("keras_rtd", ours),
            row("keras_hub", ours / 2),
            row("huggingface", theirs, variant="masked_head+eager"),
        ],
        "pipeline": [],
    }


def test_slower_is_said_against_the_peers_not_the_clock():
    before = result(300.0, 100.0)
    # A machine half as fast, the same lead.
    assert not list(table.slower_than(before, result(150.0, 50.0)))
    assert not list(table.slower_than(before, result(275.0, 100.0)))
    (warning,) = table.slower_than(before, result(260.0, 100.0))
    assert "2.60x" in warning and "3.00x" in warning
    assert not list(table.slower_than(None, before))


def test_the_table_names_each_peer():
    text = table.render(result(300.0, 100.0))
    memory = "1.00x the memory (1.00x without imports)"
    assert f"3.00x the tokens/s and {memory} of huggingface" in text
    assert f"2.00x the tokens/s and {memory} of keras_hub" in text


def test_a_peer_of_the_next_group_is_not_started_again():
    bench = pytest.importorskip("bench")
    groups = bench.groups("small", 128, 32, ["jax", "torch"], full=False)
    eager = [[c for c in g if c.variant == "masked_head+eager"] for g in groups]
    # Ours on two backends and the other peers in float32, ours in bfloat16.
    assert [len(g) for g in groups] == [3, 3, 3, 3, 3]
    assert eager[0] == eager[1] == eager[2] != eager[3] == eager[4]


@pytest.mark.run_once
def test_a_peer_does_not_pay_for_our_imports():
    code = (
        "import sizes, steps.huggingface_step, sys;"
        "print([m for m in ('keras', 'tensorflow') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "benchmarks",
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]", done.stderr[-2000:]
