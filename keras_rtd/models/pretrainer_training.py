"""Training a pretrainer: keras.Model's methods, not a Task's."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_rtd.keras_internals import BuiltWhenMade
from keras_rtd.keras_internals import keep_weights_after_fit
from keras_rtd.training import averages
from keras_rtd.training.fit import fit
from keras_rtd.training.optimizers import make_optimizer
from keras_rtd.training.step import TrainStep
from keras_rtd.training.step_interface import check_accumulate_steps
from keras_rtd.training.step_interface import check_steps_per_execution


class PretrainerTraining(BuiltWhenMade, TrainStep):
    """What `ElectraPretrainer` is compiled, trained and evaluated with.

    A KerasHub Task would preprocess the batches in `fit`.
    """

    def compile(
        self,
        optimizer: Any = None,
        jit_compile: bool | str | None = None,
        accumulate_steps: int = 1,
        steps_per_execution: int = 1,
        **kwargs: Any,
    ) -> None:
        """Configure training.

        Args:
            optimizer: a Keras optimizer or `None` for the preset's, see
                `keras_rtd.training.make_optimizer`.
            jit_compile: bool, `"auto"` or `None`. `None` takes what is
                fastest: always compiled on JAX; on TensorFlow only with an
                accelerator, as on a CPU XLA's matrix products are slower
                than oneDNN's; never on PyTorch, whose compiler needs minutes.
                Under `tf.distribute`, forward and backward pass of each
                replica are compiled, and what replicas exchange is not.
            accumulate_steps: int. Micro-batches into which a step divides its
                batch, one after the other, to need less memory: the update,
                the schedule and the metrics are those of the whole batch.
                Defaults to 1.
            steps_per_execution: int. Training steps of one call of `fit`, one
                program on JAX and one graph on TensorFlow: the host's work
                between small steps is saved, and callbacks see every
                `steps_per_execution`-th step. Not on PyTorch, which runs
                each operation by itself, nor under `tf.distribute`. Defaults
                to 1.
            **kwargs: as for `keras.Model.compile`.

        Raises:
            ValueError: `steps_per_execution` or the optimizer's
                `decoupled_training` where it is not possible.
        """
        check_accumulate_steps(accumulate_steps)
        check_steps_per_execution(steps_per_execution)
        self.accumulate_steps = accumulate_steps
        if jit_compile is None:
            jit_compile = self.best_jit_compile()
        optimizer = keras.optimizers.get(
            make_optimizer(**self.optimizer_config)
            if optimizer is None
            else optimizer
        )
        # Keras may wrap it below, to scale float16's losses.
        self.decouple(optimizer)
        if hasattr(optimizer, "set_generator_variables"):
            optimizer.set_generator_variables(
                self.trained_by_generator
                if self.decoupled
                else self.generator_variables
            )
        if hasattr(optimizer, "set_kernels"):
            optimizer.set_kernels(self.hidden_kernels)
        keras.Model.compile(
            self,
            optimizer=optimizer,
            jit_compile=self.jit_compile_of_keras(jit_compile),
            steps_per_execution=steps_per_execution,
            **kwargs,
        )
        self.prepare_optimizer(self.optimizer)
        keep_weights_after_fit(self.optimizer)
        self.optimizer.build(self.trainable_variables)

    @property
    def hidden_kernels(self) -> list[keras.Variable]:
        """The variables that Muon moves: the encoders say which."""
        encoders = (self.backbone, self.generator)
        return [v for e in encoders if e is not None for v in e.muon_kernels]

    @property
    def generator_variables(self) -> list[keras.Variable]:
        """Trainable variables that only the generator has."""
        shared = {id(v) for v in self.backbone.trainable_variables}
        return [v for v in self.trained_by_generator if id(v) not in shared]

    @property
    def trained_by_generator(self) -> list[keras.Variable]:
        """Trainable variables that the generator has, shared ones too."""
        if self.generator is None:
            return []
        own = self.generator.trainable_variables
        own = own + self.masked_lm_head.trainable_variables
        return list({id(v): v for v in own}.values())

    @property
    def read_by_encoder(self) -> list[keras.Variable]:
        """Those of `trained_by_generator` that the encoder computes with."""
        read = list(self.backbone.trainable_variables)
        if (base := self.backbone.embeddings.base()) is not None:
            read += base.tables()
        ids = {id(v) for v in read}
        return [v for v in self.trained_by_generator if id(v) in ids]

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`, on the batches described above.

        The generator samples with a fixed seed, so that evaluating twice gives
        the same figures, and training goes on as if it had not happened.
        """
        with self.fixed_samples():
            return keras.Model.evaluate(self, *args, **kwargs)

    @contextlib.contextmanager
    def fixed_samples(self) -> Iterator[None]:
        """The generator's samples start from a fixed seed inside, and go on
        outside as if nothing had been sampled."""
        state = self.sampling_seed.state
        before = np.array(keras.ops.convert_to_numpy(state))
        state.assign(np.zeros_like(before))
        try:
            yield
        finally:
            state.assign(before)

    def averaged_weights(self) -> contextlib.AbstractContextManager[Any]:
        """A context in which the model has the exponential moving averages of
        its weights, where the optimizer keeps them (`ema_momentum`).

        `fit` leaves the weights as trained; evaluate and save inside.
        """
        return averages.averaged_weights(self)

    def skipped_steps(self) -> int:
        """Training steps without an update, because a float16 gradient
        overflowed on some device: an int."""
        steps, updates = (
            int(np.ravel(keras.ops.convert_to_numpy(v))[0])
            for v in (self.step, self.optimizer.iterations)
        )
        return steps - updates

    def set_unigram(self, probabilities: np.ndarray) -> None:
        """Tell the corpus's word frequencies to the objective.

        Args:
            probabilities: float (vocabulary_size,), sum 1.
        """
        self.objective.set_unigram(np.asarray(probabilities))

    predict = keras.Model.predict
    train_on_batch = keras.Model.train_on_batch
    test_on_batch = keras.Model.test_on_batch
    predict_on_batch = keras.Model.predict_on_batch

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """As `keras.Model.fit`, on the batches described above.

        A `keras_rtd.training.Checkpoint` among the callbacks resumes: the
        same call continues where the killed one had saved.
        """
        return fit(self, *args, **kwargs)
