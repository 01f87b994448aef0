"""The files of a Hugging Face model directory: config, weights, tokenizer."""

import pathlib

import numpy as np

from keras_rtd import tokenizers
from keras_rtd.interop import config_types
from keras_rtd.tokenizers.factory import holds_tokenizer
from keras_rtd.tokenizers.factory import read_json
from keras_rtd.utils import json_file
from keras_rtd.utils.targets import check_folder
from keras_rtd.utils.targets import plain_name
from keras_rtd.utils.writing import new_path
from keras_rtd.utils.writing import write_json

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS_MAP = "special_tokens_map.json"
# sentence-transformers'.
MODULES, SENTENCES = "modules.json", "sentence_bert_config.json"
POOLING = "1_Pooling"
NAMES = (
    CONFIG,
    MODULES,
    SENTENCES,
    WEIGHTS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS_MAP,
    "vocab.txt",
)


def read_config(directory):
    """`config.json` of a directory.

    Raises:
        ValueError: no directory, no such file, or a value of another type.
    """
    path = pathlib.Path(directory) / CONFIG
    if not path.is_file():
        raise ValueError(
            f"{directory} is no Hugging Face directory: there is no {CONFIG}. "
            "A pretrainer's has the folders discriminator/ and generator/."
        )
    config = json_file.read_object(path)
    config_types.check(json_file.Node(config, path))
    return config


def read_weights(directory):
    """All tensors of a directory, as float32 arrays by name.

    Raises:
        ValueError: no safetensors there, or a damaged file. Pickles are
            never opened, because opening one runs whatever it says.
    """
    directory = pathlib.Path(directory)
    if (directory / WEIGHTS).is_file():
        files = [WEIGHTS]
    elif (directory / INDEX).is_file():
        index = json_file.read_object(directory / INDEX)
        found = json_file.Node(index, directory / INDEX)["weight_map"]
        names = {found[name].of(str) for name in found.of(dict)}
        files = [plain_name(n, f"{directory / INDEX}") for n in sorted(names)]
    else:
        pickles = [p.name for kind in PICKLES for p in directory.glob(kind)]
        if pickles:
            raise ValueError(
                f"{directory} has its weights as a pickle ("
                f"{', '.join(sorted(pickles))}), which is not opened because "
                "that can run any code. Convert it where you trust it: "
                "AutoModel.from_pretrained(…).save_pretrained(…, "
                "safe_serialization=True) writes model.safetensors."
            )
        raise ValueError(f"{directory} has no weights: no {WEIGHTS}.")
    safetensors = safetensors_module()
    arrays: dict[str, np.ndarray] = {}
    for name in files:
        try:
            arrays |= safetensors.numpy.load_file(str(directory / name))
        except (safetensors.SafetensorError, OSError) as e:
            raise ValueError(f"{directory / name} cannot be read: {e}") from e
    return {name: a.astype(np.float32) for name, a in arrays.items()}


def write_model(directory, config, arrays):
    """Write `config.json` and `model.safetensors`; makes the folder.

    Raises:
        ValueError: files of these names are there, and are no such model's.
    """
    directory = pathlib.Path(directory)
    kind = config["model_type"]
    check_folder(
        directory,
        NAMES,
        lambda folder: read_json(folder / CONFIG).get("model_type") == kind,
        f"a Hugging Face directory of the type {kind}",
    )
    write_json(directory / CONFIG, config)
    with new_path(directory / WEIGHTS) as temporary:
        safetensors_module().numpy.save_file(
            {name: np.ascontiguousarray(a) for name, a in arrays.items()},
            temporary,
            # transformers wants to know which framework's layout it is.
            metadata={"format": "pt"},
        )


def read_tokenizer(directory):
    """The tokenizer of a directory, `None` where it has no vocabulary.

    Raises:
        ValueError: see `keras_rtd.tokenizers.load`.
    """
    if not holds_tokenizer(directory):
        return None
    return tokenizers.load(directory)


def write_tokenizer(tokenizer, directory, sequence_length, segments=True):
    """Write `tokenizer.json`, `tokenizer_config.json` and, where the kind has
    one, the text file of its vocabulary.

    Args:
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        directory: an existing folder.
        sequence_length: int. The model's positions.
        segments: bool. Whether the model takes segments. Defaults to `True`.
    """
    directory = pathlib.Path(directory)
    tokenizer.save(directory / TOKENIZER)
    if tokenizer.vocabulary_file:
        tokenizer.save(directory / tokenizer.vocabulary_file)
    special = tokenizer.special_token_strings()
    write_json(
        directory / TOKENIZER_CONFIG,
        {
            # The class that takes tokenizer.json as it stands; BertTokenizer
            # makes a new one, which knows no word of over 100 letters.
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_input_names": [
                "input_ids",
                *(["token_type_ids"] if segments else []),
                "attention_mask",
            ],
            "model_max_length": sequence_length,
            **tokenizer.huggingface_options(),
            **special,
        },
    )
    write_json(directory / SPECIAL_TOKENS_MAP, special)


def write_pooling(directory, width, sequence_length):
    """Write what sentence-transformers reads: the mean over the tokens.

    Args:
        directory: an existing folder with the model.
        width: int. The encoder's.
        sequence_length: int. The model's positions.

    Raises:
        ValueError: files of these names are there, and are not such ones.
    """
    folder = pathlib.Path(directory) / POOLING
    check_folder(
        folder,
        (CONFIG,),
        lambda f: "pooling_mode_mean_tokens" in read_json(f / CONFIG),
        "a pooling layer of sentence-transformers",
    )
    folder.mkdir(exist_ok=True)
    modes = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")
    write_json(
        folder / CONFIG,
        {
            "word_embedding_dimension": width,
            **{f"pooling_mode_{m}": m == "mean_tokens" for m in modes},
        },
    )
    write_json(
        pathlib.Path(directory) / SENTENCES,
        {"max_seq_length": sequence_length, "do_lower_case": False},
    )
    kinds = (("", "Transformer"), (POOLING, "Pooling"))
    write_json(
        pathlib.Path(directory) / MODULES,
        [
            {
                "idx": number,
                "name": str(number),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
            for number, (path, kind) in enumerate(kinds)
        ],
    )


def examples(directory):
    """Code that loads a directory, run inside it: dict of library to text."""
    directory = pathlib.Path(directory)
    name = read_config(directory)["architectures"][0]
    theirs = f'model = {name}.from_pretrained(".")'
    names = name
    if (directory / TOKENIZER).is_file():
        names = f"AutoTokenizer, {name}"
        theirs += '\ntokenizer = AutoTokenizer.from_pretrained(".")'
    found = {
        "transformers": f"from transformers import {names}\n\n{theirs}",
        "keras_rtd": "from keras_rtd.interop import huggingface\n\n"
        'model = huggingface.load(".")',
    }
    if (directory / MODULES).is_file():
        found[
            "sentence-transformers, to fine-tune the mean over the tokens"
        ] = (
            "from sentence_transformers import SentenceTransformer\n\n"
            'model = SentenceTransformer(".")'
        )
    return found


def safetensors_module():
    try:
        import safetensors.numpy
    except ImportError as e:
        raise ImportError(
            "Hugging Face weights need the safetensors package: pip install "
            "'keras_rtd[huggingface]'"
        ) from e
    return safetensors
