"""What is wrong with a prepared corpus, said before any of it is read."""

from keras_rtd.data import storage


def load_manifest(directory):
    """The manifest of a finished directory of this format."""
    manifest = storage.load_json(directory, storage.MANIFEST)
    if manifest is None:
        raise ValueError(
            f"{directory} is not finished: run the same "
            "`python -m keras_rtd.data.prepare` command again."
        )
    version = manifest.get("format_version")
    if version != storage.FORMAT_VERSION:
        raise ValueError(
            f"{directory} has format version {version}; this version of "
            f"keras_rtd reads {storage.FORMAT_VERSION}. Prepare it again."
        )
    return manifest


def check_tokenizer(directory, facts, tokenizer):
    """Refuse a tokenizer that the data was not prepared with."""
    fingerprint = tokenizer.fingerprint()
    if fingerprint != facts["fingerprint"]:
        raise ValueError(
            f"{directory} was prepared with another tokenizer: fingerprint "
            f"{facts['fingerprint'][:16]}… ({facts['vocabulary_size']} "
            f"tokens) there, {fingerprint[:16]}… "
            f"({tokenizer.vocabulary_size()} tokens) here. Prepare the corpus "
            "again, or use the tokenizer it was prepared with."
        )
