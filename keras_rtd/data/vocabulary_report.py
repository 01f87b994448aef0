"""What a tokenizer makes of text that it was not trained on."""

import collections
import unicodedata

# One line of so many is held out of the training, up to so many characters.
_EVERY = 100
_MOST_CHARACTERS = 1 << 21
WORRYING = 0.01


class HeldOut:
    """Takes lines out of documents; a corpus of under 100 lines has none.

    Attributes:
        lines: list of str, those taken out so far.
    """

    def __init__(self):
        self.lines: list[str] = []
        self._seen = self._characters = 0
        self._first: list[str] = []

    def take(self, documents):
        """Yields the documents without the lines that are held out."""
        for document in documents:
            kept = []
            for line in document.split("\n"):
                self._seen += 1
                if self._seen % _EVERY or self._characters > _MOST_CHARACTERS:
                    kept.append(line)
                    if self._seen < _EVERY:
                        self._first.append(line)
                else:
                    self.lines.append(line)
                    self._characters += len(line)
            if kept:
                yield "\n".join(kept)

    def report(self, tokenizer):
        """`measure` of the lines, and of the first where none is held out."""
        where = "held-out" if self.lines else "training"
        return {
            "lines": f"{len(self.lines or self._first)} {where} lines",
            **measure(tokenizer, self.lines or self._first),
        }


def measure(tokenizer, lines):
    """How a tokenizer splits lines.

    Args:
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        lines: list of str.

    Returns:
        dict of float: `unknown_tokens` and `unknown_characters` (those inside
        unknown tokens), as shares; `tokens_per_character`, of the characters
        that are no spaces, and `tokens_per_word`; `marks_dropped`, the share
        of characters that are accents or vowel signs and are in no token; and
        `words_merged`, the share of different words that have the ids of
        another, beside upper and lower case.
    """
    unknown = tokenizer.unk_token_id
    tokens = unknown_tokens = unknown_characters = 0
    words: collections.Counter[str] = collections.Counter()
    for line in lines:
        ids, offsets = tokenizer.encode_with_offsets(line)
        tokens += len(ids)
        words.update(line.split())
        if unknown is not None and unknown in ids:
            for i, (start, end) in zip(ids, offsets):
                if i == unknown:
                    unknown_tokens += 1
                    unknown_characters += len(line[start:end].strip())
    characters = sum(len(word) * count for word, count in words.items())
    dropped, merged = _words(tokenizer, words)
    return {
        "unknown_tokens": unknown_tokens / max(tokens, 1),
        "unknown_characters": unknown_characters / max(characters, 1),
        "tokens_per_character": tokens / max(characters, 1),
        "tokens_per_word": tokens / max(sum(words.values()), 1),
        "marks_dropped": dropped / max(characters, 1),
        "words_merged": merged,
    }


def _words(tokenizer, words):
    """Marks that are dropped, and the share of words that are merged."""
    dropped = 0
    spellings = collections.defaultdict(set)
    names = list(words)
    for word, ids in zip(names, tokenizer.encode_batch(names)):
        if tokenizer.unk_token_id in ids:
            continue
        lost = _marks(word) - _marks(tokenizer.decode(ids))
        dropped += max(lost, 0) * words[word]
        spelling = unicodedata.normalize("NFKC", word).casefold()
        spellings[tuple(ids)].add(spelling)
    different = set().union(*spellings.values()) if spellings else ()
    merged = set()
    for group in spellings.values():
        if len(group) > 1:
            merged |= group
    return dropped, len(merged) / max(len(different), 1)


def _marks(text):
    text = unicodedata.normalize("NFD", text)
    return sum(unicodedata.category(c)[0] == "M" for c in text)


def lines_of(report):
    """The report of a `HeldOut`, as list of str."""
    share = "{:.2%}".format
    return [
        f"on {report['lines']}:",
        f"  unknown tokens {share(report['unknown_tokens'])}, unknown "
        f"characters {share(report['unknown_characters'])}",
        f"  {report['tokens_per_character']:.2f} tokens per character, "
        f"{report['tokens_per_word']:.2f} per word",
        f"  marks dropped {share(report['marks_dropped'])}, words merged "
        f"{share(report['words_merged'])}",
    ]


def warnings_of(report):
    """What is worrying in it, as list of str."""
    found = []
    if max(report["unknown_tokens"], report["unknown_characters"]) > WORRYING:
        found.append(
            "over 1% is unknown. Raise --coverage (or --limit_alphabet), or "
            "take --kind=bpe or --kind=unigram, to which nothing is unknown."
        )
    if max(report["marks_dropped"], report["words_merged"]) > WORRYING:
        found.append(
            "marks that tell words apart are dropped. Pass --keep_accents, or "
            "a tokenizer.json as --output without --strip_accents."
        )
    return found
