import keras
import numpy as np
import pytest
from keras import ops

from keras_rtd import kernels
from keras_rtd.kernels import base
from keras_rtd.layers.attention import attention_bias


@pytest.fixture
def fresh():
    base.warn_if_slow.cache_clear()
    yield
    base.warn_if_slow.cache_clear()


def attend(dropout):
    x = ops.convert_to_tensor(np.ones((1, 2, 4, 8), "float32"))
    bias = attention_bias(np.ones((1, 4), bool))
    layer = keras.layers.Dropout(dropout, seed=0)
    for _ in range(2):
        kernels.attend(x, x, x, bias, layer, training=True)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_slow_path_on_a_gpu_is_said_once(
    monkeypatch, capsys, fresh, dropout
):
    monkeypatch.setattr(base, "has_gpu", lambda: True)
    attend(dropout)
    lines = capsys.readouterr().out.splitlines()
    if keras.config.backend() == "torch" and not dropout:
        assert not lines
        return
    assert len(lines) == 1 and lines[0].startswith("warning: attention")
    assert ("--dropout=0" in lines[0]) == (keras.config.backend() == "torch")


def test_nothing_is_said_without_a_gpu(capsys, fresh):
    attend(0.1)
    assert not capsys.readouterr().out
