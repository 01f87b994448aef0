import pytest
import tiny

from keras_rtd.data import prepare_corpus


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A preset and a prepared corpus of a size for tests."""
    folder = tmp_path_factory.mktemp("world")
    tiny.pretrainer(dropout=0.1, with_tokenizer=True).save_to_preset(
        str(folder / "preset")
    )
    (folder / "corpus.txt").write_text(tiny.text(200), encoding="utf-8")
    prepare_corpus(
        str(folder / "corpus.txt"),
        str(folder / "prepared"),
        tiny.tokenizer(),
        validation_fraction=0.1,
    )
    return folder
