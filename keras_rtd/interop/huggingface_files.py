"""The files of a Hugging Face model directory: config, weights, tokenizer."""

import json
import pathlib

import numpy as np

from keras_rtd import tokenizers
from keras_rtd.tokenizers.factory import holds_tokenizer

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"


def read_config(directory):
    """`config.json` of an ELECTRA directory.

    Raises:
        ValueError: no directory, no such file, or another kind of model.
    """
    path = pathlib.Path(directory) / CONFIG
    if not path.is_file():
        raise ValueError(
            f"{directory} is no Hugging Face directory: there is no {CONFIG}. "
            "A pretrainer's has the folders discriminator/ and generator/."
        )
    config = json.loads(path.read_text("utf-8"))
    if config.get("model_type") != "electra":
        raise ValueError(
            f"{path} is of a model of type {config.get('model_type')!r}, not "
            "'electra'."
        )
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
        index = json.loads((directory / INDEX).read_text("utf-8"))
        # Only files of this folder, whatever the index says.
        files = sorted(
            {pathlib.Path(name).name for name in index["weight_map"].values()}
        )
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
    safetensors = _safetensors()
    arrays: dict[str, np.ndarray] = {}
    for name in files:
        try:
            arrays |= safetensors.numpy.load_file(str(directory / name))
        except (safetensors.SafetensorError, OSError) as e:
            raise ValueError(f"{directory / name} cannot be read: {e}") from e
    return {name: a.astype(np.float32) for name, a in arrays.items()}


def write_model(directory, config, arrays):
    """Write `config.json` and `model.safetensors`; makes the folder."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    _write_json(directory / CONFIG, config)
    _safetensors().numpy.save_file(
        {name: np.ascontiguousarray(a) for name, a in arrays.items()},
        str(directory / WEIGHTS),
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


def write_tokenizer(tokenizer, directory, sequence_length):
    """Write `tokenizer.json`, `tokenizer_config.json` and, where the kind has
    one, the text file of its vocabulary.

    Args:
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        directory: an existing folder.
        sequence_length: int. The model's positions.
    """
    directory = pathlib.Path(directory)
    tokenizer.save(directory / TOKENIZER)
    if tokenizer.vocabulary_file:
        tokenizer.save(directory / tokenizer.vocabulary_file)
    special = tokenizer.special_token_strings()
    _write_json(
        directory / TOKENIZER_CONFIG,
        {
            # The class that takes tokenizer.json as it stands; BertTokenizer
            # makes a new one, which knows no word of over 100 letters.
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_input_names": [
                "input_ids",
                "token_type_ids",
                "attention_mask",
            ],
            "model_max_length": sequence_length,
            **tokenizer.huggingface_options(),
            **special,
        },
    )
    _write_json(directory / "special_tokens_map.json", special)


def _write_json(path, value):
    text = json.dumps(value, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _safetensors():
    try:
        import safetensors.numpy
    except ImportError as e:
        raise ImportError(
            "Hugging Face weights need the safetensors package: pip install "
            "'keras_rtd[huggingface]'"
        ) from e
    return safetensors
