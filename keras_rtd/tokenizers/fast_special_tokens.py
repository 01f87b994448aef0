"""Which tokens of a `tokenizer.json` are special, and those it lacks."""

_NAMES = ("cls", "sep", "pad", "mask", "unk")
# What begins and ends a text where a file names no [CLS] and [SEP].
_OTHER_NAMES = {"cls": ("<s>",), "sep": ("</s>",)}


def special_tokens_of(content, options=()):
    """The special tokens that Hugging Face's files name.

    Args:
        content: dict, a `tokenizer.json`, or empty.
        options: dict, a `tokenizer_config.json`, or empty.

    Returns:
        dict from `cls_token` and so on to str; what nothing is said about is
        left out.
    """
    found: dict[str, str] = {}
    added = [
        token["content"]
        for token in content.get("added_tokens") or []
        if token["special"]
    ]
    for token in added:
        for name in _NAMES:
            if name in token.lower():
                found.setdefault(f"{name}_token", token)
    for name, others in _OTHER_NAMES.items():
        for token in others:
            if token in added:
                found.setdefault(f"{name}_token", token)
    found.update(_around(content.get("post_processor") or {}))
    unknown = _unknown(content.get("model") or {})
    if unknown:
        found["unk_token"] = unknown
    options = dict(options)
    for name in _NAMES:
        token = options.get(f"{name}_token")
        if token:
            is_dict = isinstance(token, dict)
            found[f"{name}_token"] = token["content"] if is_dict else token
    return found


def complete(fast, strings):
    """Adds the special tokens that a tokenizer lacks.

    Args:
        fast: `tokenizers.Tokenizer`, changed in place.
        strings: dict from `cls_token` and so on to str.

    Returns:
        list of str, the tokens that were new or not yet special.
    """
    from tokenizers import AddedToken

    known = fast.get_added_tokens_decoder().values()
    special = {token.content for token in known if token.special}
    missing = [s for s in strings.values() if s not in special]
    fast.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in missing]
    )
    return missing


def _around(processor):
    """The tokens that a post-processor puts around a text."""
    if processor.get("type") == "Sequence":
        found = {}
        for part in processor["processors"]:
            found.update(_around(part))
        return found
    if processor.get("type") in ("BertProcessing", "RobertaProcessing"):
        return {
            "cls_token": processor["cls"][0],
            "sep_token": processor["sep"][0],
        }
    steps = processor.get("single") or []
    around = [s["SpecialToken"]["id"] for s in steps if "SpecialToken" in s]
    if len(around) == 2:
        return dict(zip(("cls_token", "sep_token"), around))
    return {}


def _unknown(model):
    """The token that a model gives for what it does not know."""
    if model.get("type") == "Unigram" and model.get("unk_id") is not None:
        return model["vocab"][model["unk_id"]][0]
    token = model.get("unk_token")
    return token if token in (model.get("vocab") or ()) else None
