"""Parts of a `tokenizer.json`: normaliser, pre-tokeniser, post-processor."""

import functools
import re

from keras_rtd.tokenizers.normalizer import BOUNDARY
from keras_rtd.tokenizers.normalizer import NORMALIZATIONS
from keras_rtd.tokenizers.unicode_tables import JOINERS

PRE_TOKENIZERS = ("letters", "metaspace", "code")
METASPACE = "\u2581"

_LETTER = rf"\p{{L}}\p{{M}}{JOINERS}"

# Scripts that put no spaces between words: each piece that begins with one of
# their letters is taken for a word. Thai, Lao, Tibetan, Burmese, Khmer, kana
# and Chinese characters.
_SPACELESS = re.compile(
    "[\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3"
    "\u0ebd-\u0ec6\u0f40-\u0f6c\u1000-\u102a\u103f-\u1055\u1780-\u17b3"
    "\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)


def starts_word(text):
    """Whether a piece begins a word; its text is that of `piece_texts`."""
    return not text or text[0].isspace() or bool(_SPACELESS.match(text))


def normalizer(
    normalization="NFC", lowercase=False, strip_accents=False, metaspace=False
):
    """A normaliser of `tokenizers`, `None` for none.

    Args:
        normalization: str, one of `NORMALIZATIONS`. Defaults to `"NFC"`.
        lowercase: bool. Defaults to `False`.
        strip_accents: bool. Drops marks (category Mn) after NFD. Defaults to
            `False`.
        metaspace: bool. A space becomes U+2581, and one is put in front.
            Defaults to `False`.
    """
    from tokenizers import normalizers

    steps = normalizers_of(normalization, lowercase, strip_accents)
    if metaspace:
        steps.append(normalizers.Prepend(METASPACE))
        steps.append(normalizers.Replace(" ", METASPACE))
    return normalizers.Sequence(steps) if steps else None


def normalizers_of(normalization, lowercase, strip_accents, first=True):
    """The steps of `normalizer`, without its first where not `first`."""
    from tokenizers import Regex
    from tokenizers import normalizers

    if normalization not in NORMALIZATIONS:
        raise ValueError(
            f"normalization must be one of {', '.join(NORMALIZATIONS)}. "
            f"Received: {normalization}"
        )
    compose = []
    if normalization != "none":
        compose = [getattr(normalizers, normalization)()]
    steps = compose * first
    if lowercase:
        # As str.lower: a sigma at the end of a word has its own form.
        final = "(?<=[\\p{L}\\p{M}])\u03a3(?![\\p{L}\\p{M}])"
        steps.append(normalizers.Replace(Regex(final), "\u03c2"))
        steps.append(normalizers.Lowercase())
    if strip_accents:
        # StripAccents would drop vowel signs that take room (Mc) as well.
        marks = normalizers.Replace(Regex(r"\p{Mn}"), "")
        steps += [normalizers.NFD(), marks, *compose]
    return steps


def with_boundary(normalizer):
    """A normaliser after which U+200B, a boundary between words, is a space."""
    from tokenizers import normalizers

    boundary = normalizers.Replace(BOUNDARY, " ")
    if normalizer is None:
        return boundary
    return normalizers.Sequence([normalizer, boundary])


def pattern(name, space=" ", apart=()):
    """The regular expression whose matches `tokenizers` takes as words.

    No match goes past a newline, so that the ids of lines, joined, are those
    of the text.

    Args:
        name: str, one of `PRE_TOKENIZERS`.
        space: str, what stands for a space. Defaults to a space.
        apart: list of str. Tokens that text is not to be taken for: their
            first character is cut off where only spaces cut otherwise.
    """
    if name not in PRE_TOKENIZERS:
        raise ValueError(
            f"pre_tokenizer must be one of {', '.join(PRE_TOKENIZERS)}. "
            f"Received: {name}"
        )
    gap = rf"(?:{space}|[^\S\n])"
    seen = rf"[^\s{space}]"
    spaces = rf"\n|{gap}+(?!{seen})|{gap}+"
    if name == "metaspace":
        seen = rf"[^\s{space}{BOUNDARY}]"
        if not apart:
            return rf"{BOUNDARY}|{space}?{seen}+|{spaces}"
        such = "|".join(map(re.escape, apart))
        return (
            rf"{BOUNDARY}|(?={such}){seen}|{space}?(?:(?!{such}){seen})+|"
            rf"{spaces}"
        )
    if name == "letters":
        return (
            rf"'(?:[sdmt]|ll|ve|re)(?![{_LETTER}])|{space}?[{_LETTER}]+|"
            rf"{space}?\p{{N}}+|{space}?[^\s{space}\p{{N}}{_LETTER}]+|{spaces}"
        )
    # Code: names with their underscores, digits by threes, and all the
    # spaces before a line's first word together.
    return (
        rf"{space}?[{_LETTER}_]+|\p{{N}}{{1,3}}|"
        rf"{space}?[^\s{space}\p{{N}}{_LETTER}_]+|{spaces}"
    )


def is_for_code(content):
    """Whether a `tokenizer.json` has the pre-tokeniser `"code"`."""
    parts = [content.get("pre_tokenizer") or {}]
    parts += parts[0].get("pretokenizers") or []
    patterns = [(part.get("pattern") or {}).get("Regex") for part in parts]
    return any(pattern("code", s) in patterns for s in (" ", METASPACE))


def post_processor(cls_token, sep_token, ids):
    """[CLS] text [SEP], and [CLS] text [SEP] text [SEP].

    Args:
        cls_token, sep_token: str.
        ids: dict from token to id.
    """
    from tokenizers import processors

    return processors.TemplateProcessing(
        single=f"{cls_token}:0 $A:0 {sep_token}:0",
        pair=f"{cls_token}:0 $A:0 {sep_token}:0 $B:1 {sep_token}:1",
        special_tokens=[(t, ids[t]) for t in (cls_token, sep_token)],
    )


@functools.cache
def unicode_probe():
    """What the `tokenizers` installed takes for letters, and lowers: a str.

    It has its own Unicode tables, of a version that it does not tell.
    """
    from tokenizers import Regex
    from tokenizers import normalizers

    # A letter, most with a capital, of each version from 8.0 to 17.0.
    letters = (
        "\u13f5\U0001e900\u0d54\U00016e40\ua7ba\u10f2\ua7c7\ua7ca\u2c2f"
        "\U0001e4d0\ua7cb\ua7da\ua7ce\u1c89"
    )
    lowered = normalizers.Lowercase().normalize_str(letters)
    known = normalizers.Replace(Regex(r"\p{L}"), "L").normalize_str(letters)
    return ascii(lowered + known)
