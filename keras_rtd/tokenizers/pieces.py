"""The texts of ids that stand together."""

# What is no whole character decodes to this.
_PART = "\ufffd"
_MOST_PARTS = 64


def texts_in_row(tokenizer, ids):
    """`Tokenizer.texts_of`."""
    ids = [int(i) for i in ids]
    texts = [tokenizer.piece_texts[i] for i in ids]
    start = 0
    while start < len(ids):
        end = start + 1
        if _PART in texts[start]:
            most = min(len(ids), start + _MOST_PARTS)
            while end < most and _PART in texts[end]:
                end += 1
            # The shortest run of pieces that is whole characters.
            for whole in range(start + 1, end + 1):
                text = tokenizer.decode(ids[start:whole])
                if _PART not in text:
                    rest = whole - start - 1
                    texts[start:whole] = [text, *["\u200b"] * rest]
                    end = whole
                    break
            else:
                end = start + 1
        start = end
    return texts
