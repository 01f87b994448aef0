"""Chunks of words out of their tags.

A tag is `O` or a prefix, a hyphen and a type: `B-NP`. BIO begins every chunk
with B; BIOES ends those of several words with E and marks the others with S.
"""

_PREFIXES = frozenset("BIES")


def is_tag(tag):
    """Whether a string is a tag of either scheme."""
    if tag == "O":
        return True
    return len(tag) > 2 and tag[0] in _PREFIXES and tag[1] == "-"


def chunks(tags):
    """The chunks of a sentence, by conlleval's rules.

    Any sequence has a reading: a chunk also begins at an I or E that follows
    `O`, another type, an E or an S.

    Args:
        tags: list of str, BIO or BIOES.

    Returns:
        list of (type, start, end), `end` not included, from left to right.
    """
    found = []
    start, open_type = 0, None
    for i, tag in enumerate(tags):
        if not is_tag(tag):
            raise ValueError(
                f"Tags are O or such as B-NP, with B, I, E or S. Found: {tag!r}"
            )
        prefix, kind = tag[0], tag[2:]
        begins = prefix in "BS" or kind != open_type
        if open_type is not None and (prefix == "O" or begins):
            found.append((open_type, start, i))
            open_type = None
        if prefix == "O":
            continue
        if open_type is None:
            start, open_type = i, kind
        if prefix in "ES":
            found.append((kind, start, i + 1))
            open_type = None
    if open_type is not None:
        found.append((open_type, start, len(tags)))
    return found
