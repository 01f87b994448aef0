"""WordPiece to and from the files of Hugging Face."""

import json

from keras_rtd.tokenizers import fast_parts
from keras_rtd.tokenizers import unicode_tables
from keras_rtd.tokenizers.fast_special_tokens import special_tokens_of
from keras_rtd.tokenizers.normalizer import BOUNDARY
from keras_rtd.tokenizers.normalizer import MAX_CHARACTERS_PER_WORD
from keras_rtd.tokenizers.wordpiece import SUFFIX_INDICATOR
from keras_rtd.tokenizers.wordpiece import alphabet_of
from keras_rtd.tokenizers.wordpiece import part_pattern

_DROPPED = rf"[\p{{Cc}}\p{{Cf}}&&[^\t\n\r{unicode_tables.JOINERS}]]"


def write(tokenizer):
    """The `tokenizer.json` of an `ElectraTokenizer`: str."""
    fast = fast_tokenizer(tokenizer)
    ids = {token: i for i, token in enumerate(tokenizer.get_vocabulary())}
    fast.post_processor = fast_parts.post_processor(
        tokenizer.cls_token, tokenizer.sep_token, ids
    )
    fast.add_special_tokens(list(tokenizer.special_token_strings().values()))
    return fast.to_str(pretty=True)


def fast_tokenizer(tokenizer):
    """The `tokenizers.Tokenizer` of an `ElectraTokenizer`, to which nothing in
    a text is special."""
    from tokenizers import Tokenizer
    from tokenizers import decoders
    from tokenizers import models

    ids = {token: i for i, token in enumerate(tokenizer.get_vocabulary())}
    fast = Tokenizer(
        models.WordPiece(
            ids,
            unk_token=tokenizer.unk_token,
            # Theirs is 100.
            max_input_chars_per_word=MAX_CHARACTERS_PER_WORD,
        )
    )
    fast.normalizer, fast.pre_tokenizer = _rules(tokenizer)
    fast.decoder = decoders.WordPiece(prefix=SUFFIX_INDICATOR)
    return fast


def _rules(tokenizer):
    """Normaliser and pre-tokeniser, of `tokenizers`."""
    from tokenizers import Regex
    from tokenizers import normalizers
    from tokenizers import pre_tokenizers

    lowercase = bool(tokenizer.lowercase)
    strip_accents = bool(tokenizer.strip_accents)
    bert = pre_tokenizers.BertPreTokenizer()
    if tokenizer.normalization is None:
        normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=True,
            strip_accents=strip_accents,
            lowercase=lowercase,
        )
        return normalizer, bert
    steps = [
        normalizers.Replace(BOUNDARY, " "),
        normalizers.Replace(Regex(_DROPPED), ""),
        *fast_parts.normalizers_of(
            tokenizer.normalization, lowercase, strip_accents, first=False
        ),
    ]
    if tokenizer.normalization != "none":
        steps.insert(0, getattr(normalizers, tokenizer.normalization)())
    cjk = "".join(
        f"{chr(first)}-{chr(last)}" for first, last in unicode_tables.CJK_BLOCKS
    )
    # Escapes are the same in Python's expressions and in theirs.
    parts = part_pattern(alphabet_of(tokenizer.get_vocabulary())).pattern
    return normalizers.Sequence(steps), pre_tokenizers.Sequence(
        [
            bert,
            pre_tokenizers.Split(Regex(f"[{cjk}]"), "isolated"),
            pre_tokenizers.Split(Regex(parts), "isolated"),
        ]
    )


def splits_alike(tokenizer, content):
    """Whether an `ElectraTokenizer` splits text as a `tokenizer.json` says."""
    ours = json.loads(fast_tokenizer(tokenizer).to_str())
    return all(
        _plain(ours[part]) == _plain(content.get(part))
        for part in ("normalizer", "pre_tokenizer")
    )


def _plain(part):
    if part and part.get("strip_accents", 0) is None:
        part = {**part, "strip_accents": part["lowercase"]}
    return part


def arguments_of(content, options):
    """Arguments of `ElectraTokenizer`, `None` for a tokenizer of another kind.

    Args:
        content: dict, a `tokenizer.json`, or empty.
        options: dict, a `tokenizer_config.json`, or empty.

    Returns:
        dict; without content it has no `vocabulary`. What nothing is said
        about is as in the published uncased models."""
    model = content.get("model") or {}
    if content and model.get("type") != "WordPiece":
        return None
    prefix = model.get("continuing_subword_prefix", SUFFIX_INDICATOR)
    added = {token["content"] for token in content.get("added_tokens") or []}
    if prefix != SUFFIX_INDICATOR or not added <= set(
        model.get("vocab", added)
    ):
        return None
    lowercase = options.get("do_lower_case", True)
    strip_accents = options.get("strip_accents")
    normalizer = content.get("normalizer") or {}
    if normalizer.get("type") == "BertNormalizer":
        lowercase = normalizer["lowercase"]
        strip_accents = normalizer["strip_accents"]
    normalization = None
    if normalizer.get("type") == "Sequence":
        kinds = [part["type"] for part in normalizer["normalizers"]]
        lowercase, strip_accents = "Lowercase" in kinds, "NFD" in kinds
        normalization = kinds[0] if kinds[0] in ("NFC", "NFKC") else "none"
    found = {
        "lowercase": lowercase,
        "strip_accents": strip_accents,
        "normalization": normalization,
        **special_tokens_of(content, options),
    }
    if content:
        found["vocabulary"] = sorted(model["vocab"], key=model["vocab"].get)
    return found
