"""Vocabulary files that are wrong say where and what to do."""

import pytest

from keras_rtd.tokenizers.vocabulary_file import check_special_tokens
from keras_rtd.tokenizers.vocabulary_file import check_tokens
from keras_rtd.tokenizers.vocabulary_file import read_vocabulary


def written(tmp_path, data):
    path = tmp_path / "vocabulary.txt"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        b"a\n##b\n\xc3\xa9\n",
        b"a\n##b\n\xc3\xa9",
        b"a\r\n##b\r\n\xc3\xa9\r\n",
        b"\xef\xbb\xbfa\n##b \n\xc3\xa9\n",
    ],
)
def test_read(tmp_path, data):
    assert read_vocabulary(written(tmp_path, data)) == ["a", "##b", "\u00e9"]


def test_lines_end_at_newlines_only(tmp_path):
    data = "a\nb\u2028c\nd\u0085e\n".encode()
    tokens = read_vocabulary(written(tmp_path, data))
    assert tokens == ["a", "b\u2028c", "d\u0085e"]


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "has no tokens"),
        (b"a\n\nb\n", "line 2 is empty"),
        (b"a\nb\na\n", "line 3: the token 'a' is already on line 1"),
        (b"a\nb\xff\n", "line 2: byte 0xff at offset 3 is not UTF-8"),
    ],
)
def test_wrong_file(tmp_path, data, message):
    path = written(tmp_path, data)
    with pytest.raises(ValueError, match=message) as error:
        read_vocabulary(path)
    assert str(path) in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(ValueError, match="there is no file .*nowhere"):
        read_vocabulary(tmp_path / "nowhere")


def test_wrong_list():
    with pytest.raises(ValueError, match="line 2: tokens must be str.* 3"):
        check_tokens(["a", 3])


def test_special_tokens():
    check_special_tokens(["a", "b"], {"cls_token": "a", "sep_token": "b"})
    with pytest.raises(ValueError, match=r"sep_token='c'"):
        check_special_tokens(["a", "b"], {"cls_token": "a", "sep_token": "c"})
    with pytest.raises(ValueError, match="sep_token and cls_token are both"):
        check_special_tokens(["a", "b"], {"cls_token": "a", "sep_token": "a"})
