"""Lets tf.data stop calling Python before the interpreter goes away.

A generator that one of TensorFlow's threads asks for the next element while
Python is shutting down never answers, and the process hangs. That happens to
iterators that are still alive at exit, e.g. variables of a script.
"""

import atexit
import threading
import time

_ending = threading.Event()
_running: dict[threading.Event, float] = {}


def stoppable(make_iterator, patience):
    """Returns a function for `tf.data.Dataset.from_generator`.

    Args:
        make_iterator: function without arguments that returns an iterator.
        patience: float, seconds to wait at exit for a running pipeline to
            ask for its next element, which it is then refused.
    """

    def generate():
        finished = threading.Event()
        _running[finished] = patience
        try:
            for element in make_iterator():
                yield element
                if _ending.is_set():
                    return
        finally:
            finished.set()
            _running.pop(finished, None)

    return generate


@atexit.register
def _stop_all():
    _ending.set()
    started = time.monotonic()
    running = list(_running.items())
    for finished, patience in running:
        finished.wait(max(0, started + patience - time.monotonic()))
    if running:
        # TensorFlow makes one last call for every generator that ended.
        time.sleep(0.05)
