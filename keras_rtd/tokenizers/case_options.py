"""What `--cased` and `--keep_accents` mean, on every command line."""


def normalizer_options(cased, keep_accents):
    """Arguments of `ElectraTokenizer` and of vocabulary training.

    Args:
        cased: bool. Upper case is kept, and accents with it.
        keep_accents: bool. Accents are kept in lower-cased text too.

    Returns:
        dict of `lowercase` and `strip_accents`.
    """
    return {
        "lowercase": not cased,
        "strip_accents": not (cased or keep_accents),
    }
