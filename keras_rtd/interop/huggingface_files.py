"""The files of a Hugging Face model directory: config, weights, tokenizer."""

import json
import pathlib

import numpy as np

from keras_rtd.interop import tokenizer_files
from keras_rtd.models import ElectraTokenizer
from keras_rtd.utils.targets import check_folder
from keras_rtd.utils.targets import plain_name
from keras_rtd.utils.writing import new_path
from keras_rtd.utils.writing import write_json
from keras_rtd.utils.writing import write_text

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS_MAP = "special_tokens_map.json"
NAMES = (
    CONFIG,
    WEIGHTS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS_MAP,
    tokenizer_files.VOCABULARY,
)
SPECIAL_TOKENS = ("cls", "sep", "pad", "mask", "unk")

# google-research/electra's and ours; the `tokenizers` library has 100.
MAX_WORD = 200


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
        names = set(index["weight_map"].values())
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
    safetensors = _safetensors()
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
        lambda folder: _read_json(folder / CONFIG).get("model_type") == kind,
        f"a Hugging Face directory of the type {kind}",
    )
    write_json(directory / CONFIG, config)
    with new_path(directory / WEIGHTS) as temporary:
        _safetensors().numpy.save_file(
            {name: np.ascontiguousarray(a) for name, a in arrays.items()},
            temporary,
            # transformers wants to know which framework's layout it is.
            metadata={"format": "pt"},
        )


def read_tokenizer(directory):
    """The tokenizer of a directory, `None` where it has no vocabulary.

    `vocab.txt` alone is enough: what nothing is said about is as in the
    published uncased models.

    Raises:
        ValueError: a vocabulary that cannot be one, or a `tokenizer.json`
            that is no WordPiece.
    """
    directory = pathlib.Path(directory)
    vocabulary = directory / tokenizer_files.VOCABULARY
    full = _read_json(directory / TOKENIZER)
    options = _read_json(directory / TOKENIZER_CONFIG)
    normalizer = full.get("normalizer") or {}
    lowercase = options.get("do_lower_case", True)
    strip_accents = options.get("strip_accents")
    if normalizer.get("type") == "BertNormalizer":
        lowercase = normalizer["lowercase"]
        strip_accents = normalizer["strip_accents"]
    if vocabulary.is_file():
        tokens = str(vocabulary)
    elif full:
        tokens = _json_vocabulary(full, directory / TOKENIZER)
    else:
        return None
    special = {
        f"{name}_token": _content(options[f"{name}_token"])
        for name in SPECIAL_TOKENS
        if options.get(f"{name}_token")
    }
    return ElectraTokenizer(
        tokens, lowercase=lowercase, strip_accents=strip_accents, **special
    )


def write_tokenizer(tokenizer, directory, sequence_length):
    """Write `vocab.txt`, `tokenizer.json` and `tokenizer_config.json`.

    Args:
        tokenizer: `ElectraTokenizer`.
        directory: an existing folder.
        sequence_length: int. The model's positions.
    """
    directory = pathlib.Path(directory)
    tokenizer_files.write_vocabulary(tokenizer, directory)
    special = {
        f"{name}_token": getattr(tokenizer, f"{name}_token")
        for name in SPECIAL_TOKENS
    }
    text = _fast_tokenizer(tokenizer, list(special.values())).to_str(
        pretty=True
    )
    write_text(directory / TOKENIZER, text + "\n")
    write_json(
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
            "do_lower_case": bool(tokenizer.lowercase),
            "strip_accents": bool(tokenizer.strip_accents),
            "tokenize_chinese_chars": True,
            **special,
        },
    )
    write_json(directory / SPECIAL_TOKENS_MAP, special)


def _fast_tokenizer(tokenizer, special):
    from tokenizers import Tokenizer
    from tokenizers import decoders
    from tokenizers import models
    from tokenizers import normalizers
    from tokenizers import pre_tokenizers
    from tokenizers import processors

    ids = {token: i for i, token in enumerate(tokenizer.vocabulary)}
    cls, sep = tokenizer.cls_token, tokenizer.sep_token
    fast = Tokenizer(
        models.WordPiece(
            ids,
            unk_token=tokenizer.unk_token,
            max_input_chars_per_word=MAX_WORD,
        )
    )
    fast.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=True,
        strip_accents=bool(tokenizer.strip_accents),
        lowercase=bool(tokenizer.lowercase),
    )
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast.decoder = decoders.WordPiece(prefix="##")
    fast.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(cls, ids[cls]), (sep, ids[sep])],
    )
    fast.add_special_tokens(special)
    return fast


def _json_vocabulary(full, path):
    model = full.get("model") or {}
    if model.get("type") != "WordPiece":
        raise ValueError(
            f"{path} holds a {model.get('type')} tokenizer; ELECTRA's is "
            "WordPiece."
        )
    vocabulary = model["vocab"]
    return sorted(vocabulary, key=vocabulary.get)


def _content(token):
    return token["content"] if isinstance(token, dict) else token


def _read_json(path):
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def _safetensors():
    try:
        import safetensors.numpy
    except ImportError as e:
        raise ImportError(
            "Hugging Face weights need the safetensors package: pip install "
            "'keras_rtd[huggingface]'"
        ) from e
    return safetensors
