"""English prose that every Python installation carries, as a corpus.

    python -m keras_rtd.data.python_docs corpus.txt

The help topics of `pydoc` and the docstrings of the standard library, a
document a topic or module, a paragraph a line, a blank line between
documents: about half a million tokens, for a first training run with no
download.
"""

import argparse
import ast
import pathlib
import re
import sysconfig
import warnings

from keras_rtd.utils.targets import Kind
from keras_rtd.utils.targets import check_target
from keras_rtd.utils.writing import write_text

# Its tests and bundled third-party code are not prose about Python.
SKIPPED_FOLDERS = {
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idle_test",
    "lib2to3",
    "__pycache__",
}


def write_corpus(path):
    """Write the corpus to `path`, whole or not at all.

    Args:
        path: string. The text file to make; its folder is made too. The same
            corpus is replaced.

    Returns:
        int. The number of documents.

    Raises:
        RuntimeError: a Python without its standard library's sources.
        ValueError: the path is there, and is another file.
    """
    start = topics()[0].splitlines()[0].encode()
    corpus = Kind(
        "this corpus", lambda path: path.read_bytes().startswith(start)
    )
    check_target(path, corpus)
    documents = [*topics(), *docstrings()]
    if len(documents) < 100:
        raise RuntimeError(
            "This Python carries no sources of its standard library at "
            f"{sysconfig.get_paths()['stdlib']}: give a corpus of your own "
            "with --data."
        )
    write_text(path, "\n\n".join(documents) + "\n", corpus)
    return len(documents)


def topics():
    """The help topics of `pydoc`, a string each."""
    from pydoc_data.topics import topics as texts

    return [prose(texts[name]) for name in sorted(texts)]


def docstrings():
    """The docstrings of each module of the standard library, joined."""
    root = pathlib.Path(sysconfig.get_paths()["stdlib"])
    documents = []
    for path in sorted(root.rglob("*.py")):
        if SKIPPED_FOLDERS & set(path.relative_to(root).parts[:-1]):
            continue
        try:
            with warnings.catch_warnings():
                # Old sources hold escapes that newer parsers warn of.
                warnings.simplefilter("ignore")
                tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        kinds = (
            ast.Module,
            ast.ClassDef,
            ast.FunctionDef,
            ast.AsyncFunctionDef,
        )
        texts = [
            ast.get_docstring(node)
            for node in ast.walk(tree)
            if isinstance(node, kinds)
        ]
        document = "\n".join(prose(text) for text in texts if text)
        if len(document) > 200:
            documents.append(document)
    return documents


def prose(text):
    """Paragraphs a line each, without doctests and ruled lines."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in paragraph.splitlines()]
        if any(line.startswith(">>>") for line in lines):
            continue
        lines = [line for line in lines if re.search(r"\w", line)]
        if lines:
            paragraphs.append(" ".join(lines))
    return "\n".join(paragraphs)


def main():
    parser = argparse.ArgumentParser(
        prog="python -m keras_rtd.data.python_docs",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("output", help="the text file to write")
    arguments = parser.parse_args()
    try:
        count = write_corpus(arguments.output)
    except (RuntimeError, ValueError, OSError) as e:
        parser.exit(2, f"error: {e}\n")
    print(f"{count} documents in {arguments.output}")


if __name__ == "__main__":
    main()
