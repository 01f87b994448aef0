"""The console script: it finds every command, and imports only that one."""

import ast
import importlib
import pathlib
import subprocess
import sys
import tomllib

import pytest

from keras_rtd import cli

ROOT = pathlib.Path(__file__).parent.parent


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_command_is_a_main_that_takes_arguments(name):
    path = ROOT / (cli.COMMANDS[name][0].replace(".", "/") + ".py")
    (main,) = (
        node
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == "main"
    )
    assert len(main.args.args) == len(main.args.defaults) == 1


def test_the_command_gets_the_rest(monkeypatch):
    module = importlib.import_module("keras_rtd.interop.convert")
    monkeypatch.setattr(module, "main", lambda argv: argv)
    assert cli.main(["convert", "--from", "a"]) == ["convert", "--from", "a"]
    module = importlib.import_module("keras_rtd.commands.finetune_glue")
    monkeypatch.setattr(module, "main", lambda argv: argv)
    assert cli.main(["finetune", "glue", "--task=rte"]) == ["--task=rte"]


def test_help_lists_all_and_imports_no_backend():
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['keras-rtd', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(ROOT / 'keras_rtd' / 'cli.py')!r},"
        " run_name='__main__')\n"
        "finally:\n"
        "    assert 'keras' not in sys.modules\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert printed.returncode == 0, printed.stderr
    for name in cli.COMMANDS:
        assert f"  {name} " in printed.stdout


@pytest.mark.parametrize(
    "argv, status, said",
    [
        (["finetune"], 2, "finetune glue"),
        (["finetune", "--help"], 0, "finetune squad"),
        (["pretrian"], 2, "did you mean 'pretrain'?"),
        (["--version"], 0, "."),
        ([], 0, "Usage: keras-rtd COMMAND"),
    ],
)
def test_what_is_no_command(argv, status, said, capsys):
    assert cli.main(argv) == status
    captured = capsys.readouterr()
    assert said in captured.out + captured.err
    assert bool(captured.err) == (said.startswith("did"))


def test_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    version = project["project"]["version"]
    assert project["project"]["scripts"] == {"keras-rtd": "keras_rtd.cli:main"}
    init = (ROOT / "keras_rtd" / "__init__.py").read_text("utf-8")
    assert f'__version__ = "{version}"' in init
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")
