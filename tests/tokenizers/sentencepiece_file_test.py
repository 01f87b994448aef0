"""SentencePiece's files against SentencePiece."""

import io

import pytest
import tiny

from keras_rtd import tokenizers
from keras_rtd.tokenizers import sentencepiece_file
from keras_rtd.tokenizers.unigram import UnigramTokenizer

sentencepiece = pytest.importorskip("sentencepiece")

OTHERS = [
    "Grüße, Ünïcödé naïve café ﬁne １２３ \u00a0 two  spaces",
    "Привет мир",
    "你好世界",
]
BRACKETS = "[ C L S M A K ] < 0 x 4 1 >"
PROBES = [
    *OTHERS,
    "they said it, now and then.",
    "  leading and  trailing ",
    "[CLS] is text, and so are [MASK] and <0x41>[[",
    "\u2603 snow \t tab\nnewline",
    "ﬀ ligature ™ ½ e\u0301 combining a\u200bb",
    "カタカナ ｶﾀｶﾅ",
    "",
]


def train(path, **options):
    """SentencePiece's model with DeBERTaV3's pieces in front."""
    file = io.BytesIO()
    # Without bytes, brackets must be known: what is unknown and stands
    # together is one [UNK].
    known = [] if options.get("byte_fallback") else [BRACKETS]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(
            [*tiny.text(80).split("\n"), *(OTHERS + known) * 3]
        ),
        model_writer=file,
        vocab_size=500,
        model_type=options.pop("model_type", "unigram"),
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        pad_piece="[PAD]",
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        unk_piece="[UNK]",
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    path.write_bytes(file.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=file.getvalue())


@pytest.mark.parametrize(
    "options",
    [
        {"byte_fallback": True},
        {},
        {
            "normalization_rule_name": "identity",
            "remove_extra_whitespaces": False,
            "add_dummy_prefix": False,
        },
    ],
    ids=["bytes", "unknown", "as_it_is"],
)
def test_ids_are_sentencepieces(tmp_path, options):
    theirs = train(tmp_path / "spm.model", **options)
    for path in (tmp_path, tmp_path / "spm.model"):
        ours = tokenizers.load(path)
        assert type(ours) is UnigramTokenizer
        # Text that spells a special token is cut there, so that unknown
        # characters before and after the cut are not one [UNK].
        probes = PROBES
        if "byte_fallback" not in options:
            probes = [text for text in PROBES if "[CLS]" not in text]
        expected = [theirs.encode(text) for text in probes]
        assert ours.encode_batch(probes) == expected
    # [MASK] comes behind, as DeBERTa has it.
    assert ours.mask_token_id == theirs.get_piece_size()
    assert ours.vocabulary_size() == theirs.get_piece_size() + 1
    special = (ours.pad_token_id, ours.cls_token_id, ours.sep_token_id)
    assert special == (0, 1, 2) and ours.unk_token_id == 3
    # And back.
    data = sentencepiece_file.dump(ours.content)
    again = sentencepiece.SentencePieceProcessor(model_proto=data)
    assert [again.encode(text) for text in probes] == expected
    assert (again.pad_id(), again.bos_id(), again.eos_id()) == (0, 1, 2)


def test_the_file_is_kept_with_the_tokenizer(tmp_path):
    theirs = train(tmp_path / "spm.model", byte_fallback=True)
    tokenizers.load(tmp_path).save(tmp_path / "other" / "tokenizer.json")
    ours = tokenizers.load(tmp_path / "other")
    assert ours.encode_batch(PROBES) == [theirs.encode(t) for t in PROBES]


def test_faults_are_named(tmp_path):
    path = tmp_path / "spm.model"
    train(path, model_type="bpe")
    with pytest.raises(ValueError, match="is not of the kind unigram"):
        tokenizers.load(path)
    for content in (b"", b"no model", path.read_bytes()[:-200]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is no SentencePiece model"):
            tokenizers.load(path)
    with pytest.raises(ValueError, match="There is no file"):
        tokenizers.load(tmp_path / "other.model")


def test_what_sentencepiece_has_not_is_not_written():
    ours = UnigramTokenizer.from_texts(tiny.text(80).split("\n"), 340)
    with pytest.raises(ValueError, match="normalises text in a way.*NFC"):
        sentencepiece_file.dump(ours.content)
