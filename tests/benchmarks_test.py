import json
import pathlib
import sys
import types

import pytest

import keras_rtd
from keras_rtd.utils import flops

ROOT = pathlib.Path(__file__).parent.parent
PRESETS = pathlib.Path(keras_rtd.__file__).parent / "models" / "presets"

sys.path.insert(0, str(ROOT / "benchmarks"))
bench = pytest.importorskip("bench")
case = pytest.importorskip("case")
sizes = pytest.importorskip("sizes")
table = pytest.importorskip("table")


def preset(name):
    folder = PRESETS / f"electra_{name}_uncased_en"
    task = json.loads((folder / "task.json").read_text("utf-8"))["config"]

    def encoder(part):
        return types.SimpleNamespace(**task[part]["config"])

    return types.SimpleNamespace(
        backbone=encoder("backbone"), generator=encoder("generator")
    )


@pytest.mark.parametrize("name", ["tiny", "small", "base", "large"])
def test_peers_have_the_sizes_of_the_presets(name):
    size, ours = sizes.SIZES[name], preset(name)
    for generator, part in ((False, ours.backbone), (True, ours.generator)):
        assert size.encoder(generator) == (
            part.hidden_dim,
            part.intermediate_dim,
            part.num_heads,
        )
        assert size.num_layers == part.num_layers
        assert size.embedding_dim == part.embedding_dim
        assert size.vocabulary_size == part.vocabulary_size
    measured = case.Case("keras_rtd", "jax", name, "float32")
    assert bench.flops(measured) == pytest.approx(
        flops.training_flops(ours, 128, int(0.15 * 128))
    )


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
    assert "3.00x the tokens/s and 1.00x the memory of huggingface" in text
    assert "2.00x the tokens/s and 1.00x the memory of keras_hub" in text
