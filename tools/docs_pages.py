"""Pages of the site that are made from other files: a hook of MkDocs.

README, CONTRIBUTING and CHANGELOG become pages; the reference is made from
each package's `__all__` and the settings from their fields; a tutorial is its
notebook. Nothing is imported, so no backend is needed.
"""

import ast
import json
import pathlib
import posixpath
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parent.parent
PACKAGES = {
    "models": "encoders, the pretrainer and tasks",
    "data": "corpora, vocabularies and batches",
    "tokenizers": "from text to token ids",
    "objectives": "what is corrupted and predicted",
    "training": "optimisers, schedules, checkpoints and strategies",
    "pretraining": "whole pre-training runs",
    "finetuning": "whole fine-tuning runs",
    "evaluation": "scores on labelled tasks",
    "export": "SavedModel and ONNX",
    "interop": "weights of other libraries",
}
# Files that are pages, and their names on the site.
TOP = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}


def on_config(config):
    """A guide that `nav` does not name yet stands last among the guides."""
    named = json.dumps(config.nav)
    (guides,) = (x["Guides"] for x in config.nav if "Guides" in x)
    for path in sorted((ROOT / "docs").glob("*.md")):
        if f'"{path.name}"' not in named:
            guides.append(path.name)
    return config


def on_files(files, config):
    """Add the pages that are made."""
    pages = {page: _top(name) for name, page in TOP.items()}
    pages["reference/index.md"] = _overview()
    pages["reference/commands.md"] = _commands()
    pages["reference/settings.md"] = _settings()
    for name, about in PACKAGES.items():
        pages[f"reference/{name}.md"] = _reference(name, about)
    for path in sorted((ROOT / "docs" / "tutorials").glob("*.ipynb")):
        pages[f"tutorials/{path.stem}.md"] = _notebook(path)
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown, page, **_):
    """Links from docs to the files above it, as links within the site."""
    here = posixpath.dirname(page.file.src_uri)
    for name, target in TOP.items():
        link = posixpath.relpath(target, here or ".")
        markdown = re.sub(rf"\]\((?:\.\./)+{name}", f"]({link}", markdown)
    return markdown


def _top(name):
    text = (ROOT / name).read_text("utf-8")
    text = text.replace("](docs/", "](")
    for other, target in TOP.items():
        text = text.replace(f"]({other}", f"]({target}")
    return text


def _tree(path):
    return ast.parse(path.read_text("utf-8"))


def _public(package):
    """The names in a package's `__all__`."""
    tree = _tree(ROOT / "keras_rtd" / package / "__init__.py")
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            return ast.literal_eval(node.value)
    raise ValueError(f"keras_rtd.{package} has no __all__")


def _reference(package, about):
    lines = [f"# keras_rtd.{package}", "", f"{about[0].upper()}{about[1:]}."]
    for name in _public(package):
        lines += ["", f"::: keras_rtd.{package}.{name}"]
    return "\n".join(lines) + "\n"


def _overview():
    lines = [
        "# Reference",
        "",
        "Look up a class, a function, a command or a flag. The pages are made",
        "from the sources at each build.",
        "",
        "| Page | Contents |",
        "|---|---|",
        "| [Commands](commands.md) | every command and its own options |",
        "| [Settings and flags](settings.md) | every flag by group |",
    ]
    lines += [
        f"| [keras_rtd.{name}]({name}.md) | {about} |"
        for name, about in PACKAGES.items()
    ]
    return "\n".join(lines) + "\n"


def _settings():
    """Every class whose fields come from `setting`, a table each."""
    lines = [
        "# Settings and flags",
        "",
        "Set each of these as a flag (`--NAME=VALUE`), in a `--config` file",
        "or in a preset. `COMMAND --help=GROUP` prints the same with the",
        "command's own defaults.",
    ]
    files = sorted((ROOT / "keras_rtd").rglob("*.py"))
    for path in [*files, *sorted((ROOT / "recipes").glob("*.py"))]:
        for cls in ast.walk(_tree(path)):
            if isinstance(cls, ast.ClassDef):
                rows = [row for node in cls.body if (row := _setting(node))]
                if rows:
                    where = path.relative_to(ROOT).as_posix()
                    about = (ast.get_docstring(cls) or "").split("\n\n")[0]
                    name = cls.name.lstrip("_")
                    lines += ["", f"## {name}", "", f"`{where}`. {about}"]
                    lines += ["", "| Flag | Type | Default | Meaning |"]
                    lines += ["|---|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _setting(node):
    """The table row of a field that is made with `setting`, or `None`."""
    if not (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", "") == "setting"
    ):
        return None
    options = {k.arg: k.value for k in node.value.keywords}
    default, help = [*node.value.args, None, None][:2]
    default = options.get("default", default)
    help = options.get("help", help)
    shown = f"`{ast.unparse(default)}`" if default is not None else ""
    if "none" in options and shown == "`None`":
        shown = _text(options["none"])
    elif "preset" in options:
        shown = f"the preset's, or {shown}"
    meaning = _text(help)
    if "choices" in options:
        meaning += f" One of {_text(options['choices'])}."
    kind = ast.unparse(node.annotation).replace(" | ", " or ")
    cells = [f"`--{node.target.id}`", f"`{kind}`", shown, meaning]
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def _text(node):
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return f"`{ast.unparse(node)}`" if node is not None else ""
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return " ".join(str(value).split())


def _commands():
    """Docstring of each command's module, and its argparse options."""
    lines = [
        "# Commands",
        "",
        "After `pip install`, run `keras-rtd COMMAND`; in a clone, the recipes",
        "do the same. `COMMAND --help` prints the options.",
    ]
    tree = _tree(ROOT / "keras_rtd" / "cli.py")
    commands = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "COMMANDS"
    )
    for command, (module, _, about) in commands.items():
        path = ROOT / (module.replace(".", "/") + ".py")
        tree = _tree(path)
        text = ast.get_docstring(tree) or ""
        lines += ["", f"## keras-rtd {command}", "", about, ""]
        lines += ["```text", text, "```"]
        rows = [row for node in ast.walk(tree) if (row := _option(node))]
        if rows:
            lines += ["", "| Option | Meaning |", "|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _option(node):
    """The table row of an argparse argument, or `None`."""
    if not isinstance(node, ast.Call) or not node.args:
        return None
    called = getattr(node.func, "attr", getattr(node.func, "id", ""))
    first = node.args[0]
    if called not in ("add_argument", "add") or not isinstance(
        first, ast.Constant
    ):
        return None
    help = next((k.value for k in node.keywords if k.arg == "help"), None)
    return f"| `{first.value}` | {_text(help)} |"


def _notebook(path):
    """A notebook's cells as Markdown."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    blocks = []
    for cell in cells:
        source = "".join(cell["source"]).strip("\n")
        code = cell["cell_type"] == "code"
        blocks.append(f"```python\n{source}\n```" if code else source)
    title, _, rest = blocks[0].partition("\n")
    link = f"[Download this notebook]({path.name})"
    return "\n\n".join([title, link, rest, *blocks[1:]]) + "\n"
