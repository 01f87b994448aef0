"""`keras-rtd COMMAND …`: every command of the package.

Only the chosen command is imported, so that the list of them comes at once.
"""

import difflib
import importlib
import importlib.metadata
import sys

# Name: module, arguments before the user's, what it does.
COMMANDS = {
    "pretrain": (
        "keras_rtd.commands.pretrain",
        (),
        "Pre-train an encoder on your text.",
    ),
    "prepare": (
        "keras_rtd.data.prepare",
        (),
        "Tokenize a corpus once, for long runs.",
    ),
    "vocabulary": (
        "keras_rtd.data.vocabulary",
        (),
        "Train a vocabulary on your text.",
    ),
    "finetune glue": (
        "keras_rtd.commands.finetune_glue",
        (),
        "Fine-tune an encoder on a GLUE task and score it.",
    ),
    "finetune tagging": (
        "keras_rtd.commands.finetune_tagging",
        (),
        "Fine-tune an encoder to tag words and score it.",
    ),
    "finetune squad": (
        "keras_rtd.commands.finetune_squad",
        (),
        "Fine-tune an encoder to answer questions and score it.",
    ),
    "evaluate": (
        "keras_rtd.commands.evaluate_blimp",
        (),
        "Score a pre-trained model on BLiMP, without training.",
    ),
    "compare": (
        "keras_rtd.commands.compare_objectives",
        (),
        "Train several settings with the same compute and compare them.",
    ),
    "convert": (
        "keras_rtd.interop.convert",
        ("convert",),
        "Convert weights from and to other libraries.",
    ),
    "export saved_model": (
        "keras_rtd.export.tensorflow_saved_model",
        (),
        "Write a SavedModel that takes strings.",
    ),
    "export onnx": (
        "keras_rtd.export.onnx_model",
        (),
        "Write an ONNX file.",
    ),
    "serve": (
        "keras_rtd.serve.__main__",
        (),
        "Serve models over HTTP, with a page.",
    ),
}


def main(argv=None):
    """The console script `keras-rtd`; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    for words in (2, 1):
        name = " ".join(argv[:words])
        if name in COMMANDS:
            module, before, _ = COMMANDS[name]
            command = importlib.import_module(module).main
            return command([*before, *argv[words:]])
    word = argv[0] if argv else "--help"
    if word in ("--help", "-h", "help"):
        print(help_text())
        return 0
    if word == "--version":
        print(importlib.metadata.version("keras_rtd"))
        return 0
    inner = [name for name in COMMANDS if name.split()[0] == word]
    if inner:
        print(help_text(inner))
        return 0 if "--help" in argv or "-h" in argv else 2
    known = {name.split()[0] for name in COMMANDS}
    found = difflib.get_close_matches(word, sorted(known), 1)
    print(
        f"error: keras-rtd has no command {word!r}"
        + (f", did you mean {found[0]!r}?" if found else ".")
        + " keras-rtd --help lists them.",
        file=sys.stderr,
    )
    return 2


def help_text(names=tuple(COMMANDS)):
    """The list of commands."""
    rows = [f"  {name:<20}{COMMANDS[name][2]}" for name in names]
    return "\n".join(
        [
            "Usage: keras-rtd COMMAND [OPTIONS]",
            "",
            *rows,
            "",
            "keras-rtd COMMAND --help lists the options of a command.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
