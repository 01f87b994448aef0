"""A preempted machine's signal: save, and stop."""

import signal

import keras


class StopOnSignal(keras.callbacks.Callback):
    """Saves and stops on SIGTERM or SIGINT, as a preempted machine asks."""

    # Steps between the processes' asking each other; a preempted machine has
    # half a minute.
    EVERY = 10

    def __init__(self, strategy):
        super().__init__()
        self.strategy = strategy
        # By this process, and as all have agreed: a signal may come while
        # they are asking each other.
        self._signalled = False
        self.received = False
        self._step = 0

    def __enter__(self):
        self._old = {
            number: signal.signal(number, self._receive)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        return self

    def __exit__(self, *_):
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _receive(self, *_):
        self._signalled = True

    def on_train_batch_end(self, batch, logs=None):
        self._step += 1
        if self.strategy.workers > 1 and self._step % self.EVERY:
            return
        self.received = self.strategy.any(self._signalled)
        if self.received:
            self.model.stop_training = True
