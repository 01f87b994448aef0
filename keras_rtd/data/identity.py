"""Which data a run reads, so that another run of it notices a change."""

import hashlib
import json
import os

from keras_rtd.data.corpora import parse
from keras_rtd.data.files import file_facts
from keras_rtd.data.files import resolve_files
from keras_rtd.data.storage import MANIFEST
from keras_rtd.data.storage import is_prepared
from keras_rtd.data.storage import load_json


def data_identity(data):
    """What changes where the files of a corpus change.

    Args:
        data: list of str, paths or NAME=PATH:WEIGHT.

    Returns:
        32 hexadecimal digits: of the manifests of prepared corpora, which have
        the checksums of all their files; of the names, sizes and modification
        times of text files.
    """
    facts = []
    for corpus in parse(data):
        paths = corpus.data
        if isinstance(paths, (str, os.PathLike)):
            paths = [paths]
        for path in map(os.fspath, paths):
            if is_prepared(path):
                facts.append(load_json(path, MANIFEST))
            else:
                facts.extend(
                    [os.path.basename(name), *file_facts(name)]
                    for name in resolve_files(path)
                )
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
