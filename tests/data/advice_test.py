"""Warnings that save a run."""

import warnings

import pytest

from keras_rtd.data import prepare_corpus
from keras_rtd.data import pretraining_dataset

pytest.importorskip("tensorflow_text")


def document(known, unknown=0, lines=1):
    line = " ".join([f"w{i}" for i in range(known)] + ["zebra"] * unknown)
    return "\n".join([line] * lines)


def said(path, tokenizer, tmp_path, **options):
    """What reading text and preparing it warn of."""
    found = []
    for make in (
        lambda: pretraining_dataset(
            path,
            tokenizer,
            sequence_length=32,
            validation_fraction=0,
            **options,
        ),
        lambda: prepare_corpus(path, tmp_path / "out", tokenizer),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make()
        found.append(" ".join(str(w.message) for w in caught))
    return found


def test_unknown_tokens(tmp_path, tokenizer):
    path = tmp_path / "a.txt"
    for unknown, message in ((0, None), (5, "4.8% of the tokens of")):
        path.write_text("\n\n".join([document(99, unknown)] * 20))
        on_the_fly, preparing = said(path, tokenizer, tmp_path / str(unknown))
        for text in (on_the_fly, preparing):
            assert ("unknown" in text) == (message is not None), text
            assert message is None or message in text
    path.write_text("\n\n".join([document(99, 101)] * 20))
    for make in (pretraining_dataset, prepare_corpus):
        arguments = [tmp_path / "o"] if make is prepare_corpus else []
        with pytest.raises(ValueError, match=r"50\.5% .* unknown.*vocabulary"):
            make(path, *arguments, tokenizer)


def test_preparing_stops_early_where_most_is_unknown(
    tmp_path, tokenizer, monkeypatch
):
    from keras_rtd.data import corpus_writing

    monkeypatch.setattr(corpus_writing, "_CHECKED_TOKENS", 100)
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join([document(10, 30)] * 20))
    with pytest.raises(ValueError, match="of the first documents are unknown"):
        prepare_corpus(path, tmp_path / "out", tokenizer)


def test_padding(tmp_path, tokenizer):
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(document(8) for _ in range(30)))
    with pytest.warns(UserWarning, match=r"Only 3.% .* packing=True"):
        pretraining_dataset(
            path, tokenizer, sequence_length=32, validation_fraction=0
        )
    prepare_corpus(path, tmp_path / "out", tokenizer)
    with pytest.warns(UserWarning, match=r"Only 3.% .*\(--packing\)"):
        pretraining_dataset(tmp_path / "out", sequence_length=32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pretraining_dataset(tmp_path / "out", sequence_length=32, packing=True)
        pretraining_dataset(tmp_path / "out", sequence_length=11)


def test_text_without_blank_lines(tmp_path, tokenizer):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(document(20 + i) for i in range(300)))
    for text in said(path, tokenizer, tmp_path):
        assert "documents='line' (--documents=line)" in text
        assert "300 lines" in text
    with pytest.raises(ValueError, match="no text for .*--documents=line"):
        pretraining_dataset(path, tokenizer, split="validation")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pretraining_dataset(path, tokenizer, 32, documents="line")
    path.write_text("\n".join(document(20) for _ in range(50)))
    for text in said(path, tokenizer, tmp_path / "short"):
        assert "blank" not in text


def test_the_case_of_one_document_a_line(shared_data, tokenizer):
    case = shared_data.parent / "cases/text/20_line_per_document.txt"
    if not case.exists():
        pytest.skip("the case is not there")
    with pytest.warns(UserWarning, match="--documents=line"):
        with pytest.raises(ValueError, match="are unknown"):
            pretraining_dataset(case, tokenizer)
