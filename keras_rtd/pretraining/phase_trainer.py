"""One phase of a run: its data, its callbacks, and `fit`."""

from keras_rtd.pretraining import probe
from keras_rtd.pretraining.callbacks import Clock
from keras_rtd.pretraining.callbacks import Evaluation
from keras_rtd.pretraining.callbacks import NoteTime
from keras_rtd.pretraining.callbacks import ProgressLine
from keras_rtd.pretraining.description import description
from keras_rtd.pretraining.health import Health
from keras_rtd.pretraining.ingredients import datasets
from keras_rtd.utils.flops import matmul_rate


class PhaseTrainer:
    """Trains a run's phases, one after the other.

    Args:
        config: `PretrainConfig`.
        run: `RunDirectory`.
        facts: dict. Settings and more, for config.json.
        strategy: `keras_rtd.training.Strategy`.
        pretrainer: compiled `ElectraPretrainer`, its checkpoint restored.
        unigram: float (vocabulary_size,), the probe's distribution.
        checkpoint: `keras_rtd.training.Checkpoint`.
        writer: `TensorBoardWriter`, or `None` where nothing is written.
        stop: `StopOnSignal`.
    """

    def __init__(
        self,
        config,
        run,
        facts,
        strategy,
        pretrainer,
        unigram,
        checkpoint,
        writer,
        stop,
    ):
        self.config = config
        self.run = run
        self.facts = facts
        self.strategy = strategy
        self.pretrainer = pretrainer
        self.checkpoint = checkpoint
        self.writer = writer
        self.stop = stop
        self.unigram = unigram
        self.clock = Clock(checkpoint.extra.get("seconds", 0.0))

    def train(self, phase):
        """From where the checkpoint is to the end of a `Phase`."""
        config, pretrainer = self.config, self.pretrainer
        strategy, done = self.strategy, self.checkpoint.step
        training, held_out = datasets(config, phase, pretrainer, strategy)
        if strategy.is_chief:
            # Only now that the data was found good: it binds later runs.
            self.run.write_json(self.run.config, self.facts)
        flops = pretrainer.objective.flops_per_token(
            pretrainer,
            phase.sequence_length,
            held_out[0]["mask_positions"].shape[1],
            given_samples=config.replacements is not None,
        )
        progress = ProgressLine(
            done,
            config.train_steps,
            phase.tokens_per_step,
            flops,
            matmul_rate(pretrainer.dtype_policy.compute_dtype),
            strategy.replicas,
        )
        evaluation = Evaluation(
            run=self.run,
            held_out=held_out,
            probe=(
                probe.probe_batches(
                    held_out,
                    self.unigram,
                    pretrainer.tokenizer.special_token_ids,
                )
                if pretrainer.objective.has_detector()
                else None
            ),
            writer=self.writer,
            checkpoint=self.checkpoint,
            progress=progress,
            clock=self.clock,
            strategy=strategy,
            health=Health(
                pretrainer.objective, self.unigram, config.train_steps
            ),
            every=config.eval_every,
            phase=phase,
        )
        evaluation.samples = self.run.read_samples()
        print(description(pretrainer, config, phase, flops, held_out, done))
        if strategy.replicas > 1:
            print(
                f"{strategy.devices()}, "
                f"{strategy.per_replica(phase.batch_size)} of "
                f"{phase.batch_size} windows each"
            )
        # TensorFlow would trace the last phase's graph again, with shapes that
        # are no longer static.
        pretrainer.train_function = pretrainer.test_function = None
        pretrainer.predict_function = None
        pretrainer.fit(
            training,
            steps_per_epoch=phase.last_step,
            callbacks=[
                progress,
                evaluation,
                NoteTime(self.checkpoint, self.clock),
                self.checkpoint,
                self.stop,
            ],
            verbose=0,
        )
