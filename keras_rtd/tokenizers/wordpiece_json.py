"""WordPiece to and from the files of Hugging Face."""

from keras_rtd.tokenizers.normalizer import MAX_CHARACTERS_PER_WORD
from keras_rtd.tokenizers.wordpiece import SUFFIX_INDICATOR


def write(tokenizer):
    """The `tokenizer.json` of an `ElectraTokenizer`: str."""
    from tokenizers import Tokenizer
    from tokenizers import decoders
    from tokenizers import models
    from tokenizers import normalizers
    from tokenizers import pre_tokenizers
    from tokenizers import processors

    ids = {token: i for i, token in enumerate(tokenizer.get_vocabulary())}
    cls, sep = tokenizer.cls_token, tokenizer.sep_token
    fast = Tokenizer(
        models.WordPiece(
            ids,
            unk_token=tokenizer.unk_token,
            # Theirs is 100.
            max_input_chars_per_word=MAX_CHARACTERS_PER_WORD,
        )
    )
    fast.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=True,
        strip_accents=bool(tokenizer.strip_accents),
        lowercase=bool(tokenizer.lowercase),
    )
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast.decoder = decoders.WordPiece(prefix=SUFFIX_INDICATOR)
    fast.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(cls, ids[cls]), (sep, ids[sep])],
    )
    fast.add_special_tokens(list(tokenizer.special_token_strings().values()))
    return fast.to_str(pretty=True)


def arguments_of(content, options):
    """Arguments of `ElectraTokenizer`, `None` for a tokenizer of another kind.

    Args:
        content: dict, a `tokenizer.json`, or empty.
        options: dict, a `tokenizer_config.json`, or empty.

    Returns:
        dict; without content it has no `vocabulary`. What nothing is said
        about is as in the published uncased models.

    Raises:
        ValueError: continuations that are not marked as BERT's.
    """
    model = content.get("model") or {}
    if content and model.get("type") != "WordPiece":
        return None
    prefix = model.get("continuing_subword_prefix", SUFFIX_INDICATOR)
    if prefix != SUFFIX_INDICATOR:
        raise ValueError(
            f"A WordPiece tokenizer.json with the prefix {prefix!r} is not "
            f"read; BERT's is {SUFFIX_INDICATOR!r}."
        )
    lowercase = options.get("do_lower_case", True)
    strip_accents = options.get("strip_accents")
    normalizer = content.get("normalizer") or {}
    if normalizer.get("type") == "BertNormalizer":
        lowercase = normalizer["lowercase"]
        strip_accents = normalizer["strip_accents"]
    found = {
        "lowercase": lowercase,
        "strip_accents": strip_accents,
        **_special_tokens(content, options),
    }
    if content:
        found["vocabulary"] = sorted(model["vocab"], key=model["vocab"].get)
    return found


def _special_tokens(content, options):
    """Arguments for the special tokens that Hugging Face's files name."""
    names = ("cls", "sep", "pad", "mask", "unk")
    found: dict[str, str] = {}
    for token in content.get("added_tokens") or []:
        for name in names:
            if token["special"] and name in token["content"].lower():
                found.setdefault(f"{name}_token", token["content"])
    steps = (content.get("post_processor") or {}).get("single") or []
    around = [s["SpecialToken"]["id"] for s in steps if "SpecialToken" in s]
    if len(around) == 2:
        found["cls_token"], found["sep_token"] = around
    for name in names:
        token = options.get(f"{name}_token")
        if token:
            is_dict = isinstance(token, dict)
            found[f"{name}_token"] = token["content"] if is_dict else token
    return found
