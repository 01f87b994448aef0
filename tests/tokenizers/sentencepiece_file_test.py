"""SentencePiece's models, beside SentencePiece."""

import io
import itertools
import json
import random

import pytest

from keras_rtd import tokenizers
from keras_rtd.tokenizers import UnigramTokenizer

sentencepiece = pytest.importorskip("sentencepiece")

WORDS = [
    *"the old king sang a long song while his ring shone ข้าว ข่าว मेल".split(),
    *map("".join, itertools.product(("ka", "no", "ri"), repeat=3)),
]
ODD = [
    "",
    "The  king\tsang.\n Again",
    " [CLS] <0x41> [MASK] <unk>",
    "unseen 😀 ꙮ words",
    "ﬁne ½ cafe\u0301 ＡＢＣ",
]


@pytest.mark.parametrize(
    "options",
    [
        {"byte_fallback": True},
        {"byte_fallback": False},
        {"byte_fallback": True, "normalization_rule_name": "identity"},
        {"byte_fallback": True, "remove_extra_whitespaces": False},
    ],
)
def test_pieces_are_sentencepieces(tmp_path, options):
    choose = random.Random(0)
    lines = [" ".join(choose.choices(WORDS, k=9)) for _ in range(300)]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=340 if options["byte_fallback"] else 90,
        hard_vocab_limit=False,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        pad_piece="[PAD]",
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        unk_piece="[UNK]",
        minloglevel=2,
        **options,
    )
    (tmp_path / "spm.model").write_bytes(model.getvalue())
    theirs = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    tokenizer = tokenizers.load(tmp_path)
    assert type(tokenizer) is UnigramTokenizer
    odd = ODD
    if not options["byte_fallback"]:
        # One [UNK] for "[C": text is cut where it spells a special token.
        odd = [text for text in ODD if "[CLS]" not in text]
    for text in [*lines, *odd]:
        expected = theirs.encode(text)
        assert tokenizer.encode_batch([text]) == [expected], text
        if options["byte_fallback"]:
            assert tokenizer.decode(expected) == theirs.decode(expected)
    special = ("pad", "cls", "sep", "unk")
    ids = [getattr(tokenizer, f"{name}_token_id") for name in special]
    assert ids == [0, 1, 2, 3]
    # As DeBERTaV3's, after the pieces.
    assert tokenizer.mask_token_id == theirs.vocab_size()
    tokenizer.save(tmp_path / "tokenizer.json")
    assert tokenizers.load(tmp_path).fingerprint() == tokenizer.fingerprint()


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "spm.model"
    for content in (b"", b"\xff" * 9, json.dumps({"a": 1}).encode()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="spm.model is not a Sentence"):
            tokenizers.load(path)
    with pytest.raises(ValueError, match="no file"):
        tokenizers.load(tmp_path / "none.model")
