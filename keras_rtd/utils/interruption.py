"""Ctrl-C in a command of this package: no traceback."""

import signal
import sys


def end_at_once():
    """Let Ctrl-C end this process without a word, while libraries are
    imported: they print it, or go on."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def say_in_one_line():
    """Print `interrupted` for a KeyboardInterrupt that nobody catches.

    Python still ends by SIGINT then, which a shell shows as status 130. What
    goes on after Ctrl-C, such as a run, catches the signal itself.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.excepthook = _hook


def _hook(kind, error, traceback):
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)
