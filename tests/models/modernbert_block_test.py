import numpy as np
import pytest
from keras import ops

from keras_rtd.layers.attention import attention_bias
from keras_rtd.models.modernbert.block import ElectraModernBlock


def test_it_is_modernberts_layer():
    torch = pytest.importorskip("torch")
    modeling = pytest.importorskip(
        "transformers.models.modernbert.modeling_modernbert"
    )
    from transformers import ModernBertConfig

    theirs = modeling.ModernBertModel(
        ModernBertConfig(
            vocab_size=50,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=32,
            global_attn_every_n_layers=1,
            global_rope_theta=10_000.0,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=3,
            cls_token_id=2,
            sep_token_id=3,
        )
    ).eval()
    # Their first layer has no LayerNorm of its own.
    layer = theirs.layers[1]
    ours = ElectraModernBlock(2, 24, dropout=0.0, layer_norm_epsilon=1e-5)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 11, 16)).astype("float32")
    mask = np.array([[1] * 11, [1] * 7 + [0] * 4])
    ours.build(x.shape)
    attention, gated = (
        layer.attn.Wqkv.weight.detach().numpy().T,
        layer.mlp.Wi.weight.detach().numpy().T,
    )
    for dense, kernel in zip(
        (ours.query, ours.key, ours.value, ours.gate, ours.intermediate),
        (*np.split(attention, 3, 1), *np.split(gated, 2, 1)),
    ):
        dense.kernel.assign(20 * kernel)
    ours.attention_output.kernel.assign(layer.attn.Wo.weight.detach().numpy().T)
    ours.output_dense.kernel.assign(layer.mlp.Wo.weight.detach().numpy().T)
    scales = rng.uniform(0.5, 1.5, (2, 16)).astype("float32")
    ours.attention_norm.gamma.assign(scales[0])
    ours.intermediate_norm.gamma.assign(scales[1])
    bias = ops.convert_to_numpy(attention_bias(mask))
    with torch.no_grad():
        layer.attn.Wqkv.weight.mul_(20)
        layer.mlp.Wi.weight.mul_(20)
        layer.attn_norm.weight.copy_(torch.tensor(scales[0]))
        layer.mlp_norm.weight.copy_(torch.tensor(scales[1]))
        angles = theirs.rotary_emb(
            torch.tensor(x), torch.arange(11)[None], "full_attention"
        )
        expected = layer(
            torch.tensor(x),
            attention_mask=torch.tensor(bias),
            position_embeddings=angles,
        ).numpy()
    found = ops.convert_to_numpy(ours(x, bias))
    assert np.abs(expected - x).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_no_weight_is_a_bias():
    block = ElectraModernBlock(2, 24)
    block.build((None, None, 16))
    names = {v.name for v in block.trainable_variables}
    assert names == {"kernel", "gamma"}
    count = sum(int(np.prod(v.shape)) for v in block.trainable_variables)
    assert count == 4 * 16 * 16 + 3 * 16 * 24 + 2 * 16


def test_heads_of_odd_width_are_refused():
    with pytest.raises(ValueError, match="must be even. Received: 6 / 2"):
        ElectraModernBlock(2, 8).build((None, None, 6))
