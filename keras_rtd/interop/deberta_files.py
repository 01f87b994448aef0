"""Where microsoft/DeBERTa's files are in a directory, and what is in them."""

import pathlib
import re

import numpy as np

from keras_rtd.interop import config_types
from keras_rtd.interop import huggingface_files
from keras_rtd.models.deberta_v3 import conversion
from keras_rtd.tokenizers import sentencepiece_file
from keras_rtd.tokenizers.factory import read_json
from keras_rtd.tokenizers.fast_tokenizer import FastTokenizer
from keras_rtd.utils import json_file
from keras_rtd.utils.targets import check_folder
from keras_rtd.utils.writing import new_file
from keras_rtd.utils.writing import new_path
from keras_rtd.utils.writing import write_json

NETWORKS = ("generator", "discriminator")
CONFIG = "model_config.json"
CONFIGS = (CONFIG, "config.json")
# By preference.
ENDINGS = (".safetensors", ".npz", ".bin")
SPM = "spm.model"
NAMES = (CONFIG, huggingface_files.WEIGHTS, huggingface_files.TOKENIZER, SPM)


def find(directory):
    """The networks' files.

    Returns:
        dict of "generator" and "discriminator" to paths, those found.

    Raises:
        ValueError: neither.
    """
    directory = pathlib.Path(directory)
    found = {}
    for network in NETWORKS:
        for folder, pattern in (
            (directory / network, r".*"),
            (directory, rf"(.*[._-])?{network}"),
            # A released discriminator has no name of its own.
            (directory, r"(pytorch_)?model" if network[0] == "d" else r"(?!)"),
        ):
            file = _file(folder, pattern)
            if file is not None:
                found[network] = file
                break
    if not found:
        raise ValueError(
            f"{directory} has none of Microsoft's files: no generator/ and "
            "discriminator/ with weights, no pytorch_model.bin and "
            "pytorch_model.generator.bin, as .safetensors, .npz or .bin."
        )
    return found


def _file(folder, pattern):
    """The file of this name in a folder, the last one of a training run."""
    if not folder.is_dir():
        return None
    for ending in ENDINGS:
        files = sorted(
            path
            for path in folder.iterdir()
            if path.suffix == ending and re.fullmatch(pattern, path.stem)
        )
        if files:
            return files[-1]
    return None


def read(file):
    """Arrays of a file, float32, by Microsoft's names of today.

    Raises:
        ValueError: a file that cannot be read.
        ImportError: a `.bin` without PyTorch.
    """
    arrays = {
        ".safetensors": _read_safetensors,
        ".npz": _read_archive,
        ".bin": _read_pickle,
    }[file.suffix](file)
    return {
        re.sub("^bert[.]", "deberta.", name): np.asarray(array, np.float32)
        for name, array in arrays.items()
    }


def _read_safetensors(file):
    safetensors = huggingface_files.safetensors_module()
    try:
        return safetensors.numpy.load_file(str(file))
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error


def _read_archive(file):
    try:
        with np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except (ValueError, OSError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error


def _read_pickle(file):
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"{file} is a pickle, which PyTorch reads: pip install torch"
        ) from error
    try:
        # Tensors only: nothing in the file is run.
        tensors = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    return {name: t.float().numpy() for name, t in tensors.items()}


def config(directory, network, arrays, file):
    """Arguments of a network's `DebertaV3Backbone`.

    Args:
        directory: the directory.
        network: "generator" or "discriminator".
        arrays: of `read`; they say how many layers there are.
        file: the network's file.

    Raises:
        ValueError: no configuration, or options that are not here.
    """
    directory = pathlib.Path(directory)
    places = [file.parent, directory]
    names = [f"{network}_config.json", f"config.{network}.json", *CONFIGS]
    for place in places:
        for name in names:
            content = read_json(place / name)
            if content:
                return _arguments(content, network, arrays, place / name)
    raise ValueError(f"{directory} has no {CONFIG} and no config.json.")


def _arguments(content, network, arrays, where):
    node = json_file.Node(content, where)
    node = node.get("model_config") or node
    node = node.get(network) or node
    config_types.check(node)
    content = dict(node.value)
    found = (re.match(r"deberta\.encoder\.layer\.(\d+)\.", n) for n in arrays)
    layers = {int(match[1]) for match in found if match}
    if layers:
        # A released generator has no configuration of its own.
        content["num_hidden_layers"] = max(layers) + 1
    try:
        return conversion.arguments(content)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def sentencepiece(tokenizer):
    """A tokenizer as the bytes of an `spm.model`.

    Raises:
        ValueError: SentencePiece would give other ids.
    """
    if not isinstance(tokenizer, FastTokenizer):
        raise ValueError(f"it is a {type(tokenizer).__name__}.")
    return sentencepiece_file.dump(tokenizer.content)


def write(folder, config, arrays, tokenizer=None, spm=None):
    """Write a network's folder.

    Raises:
        ValueError: files of these names are there, and are no such network's.
    """
    check_folder(
        folder,
        NAMES,
        lambda f: "num_hidden_layers" in read_json(f / CONFIG),
        "a network of microsoft/DeBERTa",
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / CONFIG, config)
    with new_path(folder / huggingface_files.WEIGHTS) as temporary:
        huggingface_files.safetensors_module().numpy.save_file(
            {name: np.ascontiguousarray(a) for name, a in arrays.items()},
            temporary,
            metadata={"format": "pt"},
        )
    if tokenizer is not None:
        tokenizer.save(folder / huggingface_files.TOKENIZER)
    if spm is not None:
        with new_file(folder / SPM) as file:
            file.write(spm)
