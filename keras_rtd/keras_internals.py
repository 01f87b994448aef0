"""Every private name of Keras and KerasHub that this package uses.

What Keras and KerasHub do not promise to keep stands here and nowhere else,
behind plain names. `tests/keras_internals_test.py` holds a test of each, which
fails when a new version drops the name or gives it another meaning; the upper
bounds in pyproject.toml keep untested versions out.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import keras
import keras_hub
from keras.src.backend.common.stateless_scope import in_stateless_scope
from keras.src.backend.common.variables import AutocastScope
from keras.src.models.functional import Functional
from keras.src.optimizers.base_optimizer import clip_by_global_norm
from keras_hub.src.utils import preset_utils

from keras_rtd.utils.types import Tensor

__all__ = [
    "AutocastScope",
    "BuiltWhenMade",
    "Optimizer",
    "PlainTokenizer",
    "SubclassedTask",
    "WordPieceTokenizer",
    "averages_of",
    "clip_by_global_norm",
    "do_not_add_up_gradients",
    "encoder_block_layers",
    "flat_layers",
    "in_stateless_scope",
    "init_task",
    "keep_weights_after_fit",
    "load_backbone_weights",
    "loss_of",
    "optimizer_variables",
    "preset_utils",
    "rate_or_schedule",
    "state_shardings",
    "track_loss",
]

# === Optimizers ===


class Optimizer(keras.optimizers.Optimizer):
    """`keras.optimizers.Optimizer` whose inner steps may be replaced."""

    def clip_all(
        self, gradients: list[Tensor], variables: list[keras.Variable]
    ) -> list[Tensor]:
        """The gradients of these variables, clipped. Keras's own, unless
        replaced."""
        return super()._clip_gradients(gradients)

    def update_all(
        self,
        gradients: list[Tensor],
        variables: list[keras.Variable],
        learning_rate: Tensor,
    ) -> None:
        """One update of all variables. Keras's own, unless replaced: it calls
        `update_step` with each of them."""
        super()._backend_update_step(gradients, variables, learning_rate)

    def index_of(self, variable: keras.Variable) -> int:
        """Place of a variable among those that the optimizer was built with,
        also of the `tf.Variable` below it: an int."""
        return self._get_variable_index(variable)

    def _clip_gradients(self, gradients):
        # Below, where it is known whose they are.
        return gradients

    def _backend_update_step(self, gradients, variables, learning_rate):
        gradients = self.clip_all(list(gradients), list(variables))
        self.update_all(gradients, variables, learning_rate)


def rate_or_schedule(optimizer):
    """The learning rate as it was given: a variable or a schedule. The public
    `learning_rate` is the number of the next step."""
    return optimizer._learning_rate


def optimizer_variables(optimizer):
    """The model's variables that a built optimizer updates, as it was built:
    a list."""
    return list(optimizer._trainable_variables)


def averages_of(optimizer):
    """list of (variable, its moving average), for an optimizer with `use_ema`
    that has been built."""
    return list(
        zip(
            optimizer_variables(optimizer),
            optimizer._model_variables_moving_average,
        )
    )


def keep_weights_after_fit(optimizer):
    """Let `fit` end with the weights as trained.

    Keras would write the averages over them, before the last checkpoint is
    taken, and between two calls of `fit`.
    """
    optimizer.finalize_variable_values = lambda variables: None


def do_not_add_up_gradients(optimizer):
    """On TensorFlow: the gradients given to `apply_gradients` are sums over
    the replicas already."""
    optimizer._all_reduce_sum_gradients = lambda pairs: pairs


# === Training ===


class BuiltWhenMade:
    """Before a `keras.Model` among the bases: `fit` does not build it.

    Keras would run the model once more to see that, on PyTorch at every
    `train_on_batch`, because a Dropout layer counts as unbuilt until it is
    called; on TensorFlow it would also add up a first batch over the replicas,
    which fails for booleans and in several processes.
    """

    def _symbolic_build(self, iterator=None, data_batch=None):
        pass

    # TensorFlow's, which asks more before it calls the other.
    _maybe_symbolic_build = _symbolic_build


def loss_of(model, x, y, y_pred, sample_weight):
    """The loss of a compiled model in training: a scalar tensor."""
    return model._compute_loss(
        x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True
    )


def track_loss(model, loss, rows):
    """Tell a compiled model's metric `loss` of a batch of so many rows."""
    model._loss_tracker.update_state(loss, sample_weight=rows)


def state_shardings(model):
    """On JAX: how the state of `train_step` is laid out over the devices."""
    return model._get_state_sharding_spec()


# === Layers and tasks ===


def flat_layers(layer):
    """A layer and all layers below it, each once."""
    return list(layer._flatten_layers())


def _model_methods():
    """`keras.Model`'s own version of what `Functional` overrides.

    But for the config, where a Task's own is wanted.
    """
    return {
        name: inspect.getattr_static(keras.Model, name)
        for name in vars(Functional)
        if not name.startswith("__")
        and name not in ("get_config", "from_config")
        and hasattr(keras.Model, name)
    }


# The first functional Task of a process puts `Functional` among the bases of
# KerasHub's PipelineModel, and with it of every Task; a subclassed Task made
# later takes it out again, and breaks the functional ones. This class wants
# neither: it keeps `keras.Model`'s methods, and does not touch the bases.
SubclassedTask = type(
    "SubclassedTask",
    (keras_hub.models.Task,),
    {
        **_model_methods(),
        # `summary` reads these once KerasHub has changed the bases.
        "_operations": property(lambda self: self.layers),
        "_nodes_by_depth": property(lambda self: {}),
        "__module__": __name__,
        "__doc__": "A `keras_hub.models.Task` with its own `call`.",
    },
)


def init_task(task, **kwargs):
    """`Task.__init__` without the change of `PipelineModel.__bases__`."""
    keras.Model.__init__(task, **kwargs)
    task._functional_layer_ids = set()
    task._initialized = True


def encoder_block_layers(block):
    """The layers of a `keras_hub.layers.TransformerEncoder`.

    Returns:
        dict of `keras.layers.Layer`: `query`, `key`, `value`,
        `attention_output`, `attention_norm`, `intermediate`, `output_dense`,
        `output_norm`.
    """
    attention = block._self_attention_layer
    return {
        "query": attention._query_dense,
        "key": attention._key_dense,
        "value": attention._value_dense,
        "attention_output": attention._output_dense,
        "attention_norm": block._self_attention_layer_norm,
        "intermediate": block._feedforward_intermediate_dense,
        "output_dense": block._feedforward_output_dense,
        "output_norm": block._feedforward_layer_norm,
    }


# === Presets and tokenizers ===


def load_backbone_weights(preset, backbone):
    """Read a preset's encoder weights, in one file or in several."""
    preset_utils.get_preset_loader(preset)._load_backbone_weights(backbone)


class PlainTokenizer(keras_hub.tokenizers.Tokenizer):
    """KerasHub's tokenizer with a vocabulary of one's own making."""

    def add_special_token(self, token: str, name: str) -> None:
        """Say which token is `name`, before the vocabulary is known.

        Gives the attributes `name` and, with the vocabulary, `name + "_id"`.
        """
        self._add_special_token(token, name)

    def use_vocabulary(self, tokens: Sequence[str] | None) -> None:
        """Take a list of tokens, or `None` for none.

        Raises:
            ValueError: a special token is not among them.
        """
        self.vocabulary = tokens
        self._token_to_id_map = None
        if tokens is not None:
            self._token_to_id_map = {t: i for i, t in enumerate(tokens)}
            self._update_special_token_ids()

    @property
    def ids_by_token(self) -> dict[str, int] | None:
        """dict of str to int, or `None` without a vocabulary."""
        return self._token_to_id_map


class WordPieceTokenizer(keras_hub.tokenizers.ElectraTokenizer):
    """KerasHub's ELECTRA tokenizer with a graph kernel of one's own making.

    Attributes:
        graph_kernel: TensorFlow Text's WordPiece kernel, or `None` until a
            graph needs it: `make_graph_kernel` makes it then.
    """

    def forget_graph_kernel(self) -> None:
        """Make the kernel again when a graph next needs it."""
        self._fast_word_piece = None

    @property
    def graph_kernel(self) -> Any:
        """The kernel that `make_graph_kernel` made last."""
        self._maybe_initialized_tf()
        return self._fast_word_piece

    def make_graph_kernel(self) -> Any:
        """The kernel, made of `vocabulary`: a subclass says how."""
        raise NotImplementedError

    def _set_vocabulary_tf(self):
        self._fast_word_piece = self.make_graph_kernel()
