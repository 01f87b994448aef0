import gzip

import pytest

from keras_rtd.evaluation import tagging

CHUNKS = "He PRP B-NP\nsat VBD B-VP\n\non IN B-PP\nit PRP B-NP\n"


def test_columns(tmp_path):
    with gzip.open(tmp_path / "a.txt.gz", "wt") as file:
        file.write(CHUNKS)
    sentences = tagging.read(tmp_path / "a.txt.gz")
    assert sentences.words == [["He", "sat"], ["on", "it"]]
    assert sentences.tags == [["B-NP", "B-VP"], ["B-PP", "B-NP"]]
    assert sentences.types == ["NP", "PP", "VP"] and len(sentences) == 2


def test_tabs_document_lines_and_blanks(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text(
        "-DOCSTART- -X- O\n\nNew York\tB-creative-work\n's\tO\n\t\n\n.\tO\r\n"
    )
    sentences = tagging.read(path)
    assert sentences.words == [["New York", "'s"], ["."]]
    assert sentences.tags == [["B-creative-work", "O"], ["O"]]
    assert sentences.types == ["creative-work"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("a O\nb\n", "line 2: 1 columns where 2"),
        ("a X O\nb O\n", "line 2: 2 columns where 3"),
        ("a\n", "line 1: 1 columns where 2"),
        ("a O\nb NP\n", "line 2: a word and a tag"),
        ("a O\nb B-\n", "line 2: a word and a tag"),
        ("a\tO\n \tO\n", "line 2: a word and a tag"),
        ("\n\n", "no words"),
    ],
)
def test_bad_files(text, message, tmp_path):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        tagging.read(tmp_path / "a.txt")


@pytest.mark.parametrize(
    "tags, bio, bioes",
    [
        ("", "", ""),
        ("O O", "O O", "O O"),
        ("B-A I-A O B-B", "B-A I-A O B-B", "B-A E-A O S-B"),
        ("B-A I-A I-A B-A", "B-A I-A I-A B-A", "B-A I-A E-A S-A"),
        # Repaired: a chunk that begins with I, and one of two types.
        ("I-A I-A O I-B", "B-A I-A O B-B", "B-A E-A O S-B"),
        ("B-A I-B I-B", "B-A B-B I-B", "S-A B-B E-B"),
        ("S-A I-A E-A E-A", "B-A B-A I-A B-A", "S-A B-A E-A S-A"),
        ("B-A S-A O E-B", "B-A B-A O B-B", "S-A S-A O S-B"),
        ("B-A O", "B-A O", "S-A O"),
    ],
)
def test_schemes(tags, bio, bioes):
    assert tagging.to_bio(tags.split()) == bio.split()
    assert tagging.to_bioes(tags.split()) == bioes.split()
    assert tagging.to_bio(bioes.split()) == bio.split()
    assert tagging.to_bioes(bio.split()) == bioes.split()


def test_score_by_hand():
    true = [
        "B-A I-A O B-B".split(),
        "B-A B-A I-A".split(),
        "O B-B I-B".split(),
    ]
    predicted = [
        # Right; and a wrong type.
        "B-A I-A O B-A".split(),
        # One chunk where there are two: neither is right.
        "B-A I-A I-A".split(),
        # An I after O begins a chunk, as in conlleval: right.
        "O I-B I-B".split(),
    ]
    # 5 chunks in the corpus, 4 found, 2 right; 7 of 10 tags.
    assert tagging.score(true, predicted) == {
        "precision": pytest.approx(50.0),
        "recall": pytest.approx(40.0),
        "f1": pytest.approx(100 * 4 / 9),
        "accuracy": pytest.approx(70.0),
    }


def test_chunks_do_not_join_over_sentences():
    result = tagging.score([["B-A"], ["B-A"]], [["B-A"], ["I-A"]])
    assert result["f1"] == 100.0 and result["accuracy"] == 50.0


def test_nothing_found_is_zero():
    result = tagging.score([["O", "O"]], [["O", "O"]])
    assert result == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "accuracy": 100.0,
    }


@pytest.mark.parametrize(
    "true, predicted, message",
    [
        ([["O"]], [], "same number of sentences"),
        ([["O"], ["O"]], [["O"], ["O", "O"]], "Sentence 1 has 1 tags"),
        ([["O"]], [["NP"]], "Found: 'NP'"),
    ],
)
def test_bad_predictions(true, predicted, message):
    with pytest.raises(ValueError, match=message):
        tagging.score(true, predicted)


def test_real_files(shared_data):
    folder = shared_data / "tagging"
    sizes = {
        "conll2000/train.txt.gz": 8936,
        "conll2000/test.txt.gz": 2012,
        "wnut17/wnut17train.conll.gz": 3394,
        "wnut17/emerging.dev.conll.gz": 1009,
        "wnut17/emerging.test.annotated.gz": 1287,
    }
    for name, size in sizes.items():
        sentences = tagging.read(folder / name)
        assert len(sentences) == size
        for tags in sentences.tags:
            assert tagging.to_bio(tagging.to_bioes(tags)) == tags
        assert tagging.score(sentences.tags, sentences.tags)["f1"] == 100.0
    assert len(tagging.read(folder / "wnut17/wnut17train.conll.gz").types) == 6
