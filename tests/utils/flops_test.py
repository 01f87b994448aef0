import pytest

from keras_rtd.models.electra.backbone import ElectraFacts
from keras_rtd.models.modernbert.backbone import ModernBertFacts
from keras_rtd.pretraining.scaling import preset_sizes
from keras_rtd.utils import flops


# MFLOP a token at 128 and 512, backward = 2 x forward, lookups free, masked
# positions only: counted for the presets as published.
@pytest.mark.parametrize(
    "name, length, millions",
    [
        ("small", 128, 70),
        ("small", 512, 88),
        ("base", 128, 611),
        ("base", 512, 668),
    ],
)
def test_training_flops_are_those_of_the_published_sizes(
    name, length, millions
):
    predictions = int(0.15 * length)
    sizes = preset_sizes(f"electra_{name}_uncased_en")
    count = sizes.objective.flops_per_token(sizes, length, predictions)
    assert count / 1e6 == pytest.approx(millions, rel=0.01)


# 25% masks in the large one.
def test_training_flops_of_large():
    sizes = preset_sizes("electra_large_uncased_en")
    count = sizes.objective.flops_per_token(sizes, 128, 32)
    assert count / 1e6 == pytest.approx(2028, rel=0.01)


def test_flops_of_an_encoder_by_hand():
    sizes = {
        "num_layers": 1,
        "hidden_dim": 2,
        "intermediate_dim": 3,
        "embedding_dim": 5,
        "local_attention_window": None,
    }
    # Projection 5 -> 2, four 2 x 2 kernels, two 2 x 3, scores and values of
    # 7 tokens: multiplications and additions both count.
    products = 5 * 2 + 4 * 2 * 2 + 2 * 2 * 3 + 2 * 7 * 2
    assert ElectraFacts.of(sizes).flops_per_token(7) == 2 * products
    # One kernel more in the feed-forward layer.
    products += 2 * 3
    assert ModernBertFacts.of(sizes).flops_per_token(7) == 2 * products


def test_local_layers_count_three_chunks():
    encoder = ModernBertFacts.of(
        {
            "num_layers": 4,
            "hidden_dim": 2,
            "intermediate_dim": 3,
            "embedding_dim": 2,
            "local_attention_window": 8,
        }
    )
    kernels = 4 * (4 * 2 * 2 + 3 * 2 * 3)
    # Layers 0 and 3 see all 100, the others chunks of 4 and their neighbours.
    scores = 2 * 2 * (100 + 12 + 12 + 100)
    assert encoder.flops_per_token(100) == 2 * (kernels + scores)
    # Rows that are not cut.
    scores = 2 * 2 * 4 * 12
    assert encoder.flops_per_token(12) == 2 * (kernels + scores)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_matmul_rate_measures_every_compute_dtype(dtype):
    assert flops.matmul_rate(dtype, seconds=0.01) > 1e7
