"""Apache Beam writes the files that one machine does."""

import pathlib

import pytest

from keras_rtd.data import prepare
from keras_rtd.data import prepare_corpus

DIRECT = "--runner=DirectRunner"


def files(directory):
    return {
        path.name: path.read_bytes()
        for path in pathlib.Path(directory).iterdir()
    }


def command(corpus, vocabulary, output, *extra):
    return prepare.main(
        [
            f"--input={corpus.directory}",
            f"--output={output}",
            f"--vocabulary={vocabulary}",
            "--validation_fraction=0.1",
            "--shard_tokens=1000",
            *extra,
        ]
    )


@pytest.fixture
def vocabulary(tokenizer, tmp_path):
    path = tmp_path / "vocabulary.txt"
    path.write_text("\n".join(tokenizer.get_vocabulary()) + "\n")
    return path


def test_the_files_are_those_of_the_local_command(
    corpus, vocabulary, tmp_path, monkeypatch
):
    pytest.importorskip("apache_beam")
    from keras_rtd.data.readers import text as reading

    # Several blocks a file, so that shards begin within files.
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1 << 9)
    local, beam = tmp_path / "local", tmp_path / "beam"
    assert command(corpus, vocabulary, local) == 0
    assert command(corpus, vocabulary, beam, DIRECT) == 0
    names = sorted(path.name for path in local.iterdir())
    assert len([n for n in names if n.startswith("train")]) > 6
    assert files(beam) == files(local)
    # To an object store, as far as fsspec's local one is one.
    store = tmp_path / "store"
    assert command(corpus, vocabulary, f"file://{store}", DIRECT) == 0
    assert files(store) == files(local)
    # Finished: nothing more happens, and other options are refused.
    assert command(corpus, vocabulary, beam, DIRECT) == 0
    assert files(beam) == files(local)
    other = command(corpus, vocabulary, beam, DIRECT, "--documents=line")
    assert other == 2


def test_shards_begin_where_the_local_command_begins_them():
    pytest.importorskip("apache_beam")
    from keras_rtd.data.beam_preparation import shard_starts

    sizes = [((0, 0), 4), ((0, 1), 6), ((0, 3), 12), ((1, 0), 1), ((1, 1), 0)]
    expected = [(0, 0), (0, 3), (1, 0)]
    assert shard_starts(sizes[::-1], 10) == expected
    assert shard_starts([], 10) == []


def test_options_of_beam_need_a_runner(corpus, vocabulary, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        command(corpus, vocabulary, tmp_path / "x", "--project=p")
    assert ended.value.code == 2
    assert "unrecognized arguments: --project=p" in capsys.readouterr().err
    assert command(corpus, vocabulary, "gs://b/x") == 2
    assert "use --runner (Apache Beam)" in capsys.readouterr().err
    both = command(corpus, vocabulary, "x", DIRECT, "--num_workers=2")
    assert both == 2
    assert "--num_workers" in capsys.readouterr().err


def test_a_missing_beam_is_named(corpus, vocabulary, tmp_path, capsys):
    import sys

    if "apache_beam" in sys.modules:
        pytest.skip("Beam is installed")
    assert command(corpus, vocabulary, tmp_path / "x", DIRECT) == 2
    assert "--runner needs Apache Beam" in capsys.readouterr().err


def test_local_preparation_writes_to_folders_only(corpus, tokenizer):
    with pytest.raises(ValueError, match="not a folder of this machine"):
        prepare_corpus(corpus.directory, "gs://b/prepared", tokenizer)
