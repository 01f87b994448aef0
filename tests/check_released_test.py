"""tools/check_released.py, on small models of the released ones' layout."""

import importlib.util
import pathlib

import pytest
import tiny

from keras_rtd.interop import huggingface_files

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TOOL = pathlib.Path(__file__).parents[1] / "tools" / "check_released.py"
SPECIAL = {
    "vocab_size": len(tiny.VOCABULARY),
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "cls_token_id": 2,
    "sep_token_id": 3,
}
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def electra(kind, **sizes):
    config = transformers.ElectraConfig(
        **SPECIAL, **{**SIZES, "embedding_size": 32, **sizes}
    )
    return getattr(transformers, kind)(config)


def deberta():
    """As Microsoft released it."""
    config = transformers.DebertaV2Config(
        **SPECIAL,
        **SIZES,
        relative_attention=True,
        position_buckets=8,
        max_position_embeddings=64,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type="p2c|c2p",
        position_biased_input=False,
        type_vocab_size=0,
        layer_norm_eps=1e-7,
    )
    return transformers.DebertaV2Model(config)


def modernbert():
    config = transformers.ModernBertConfig(**SPECIAL, **SIZES)
    return transformers.ModernBertForMaskedLM(config)


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("check_released", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("released")
    discriminator = electra("ElectraForPreTraining")
    generator = electra("ElectraForMaskedLM", hidden_size=16)
    # Tied, as they are trained.
    generator.electra.embeddings.load_state_dict(
        discriminator.electra.embeddings.state_dict()
    )
    models = {
        "google/electra-small-discriminator": discriminator,
        "google/electra-small-generator": generator,
        "microsoft/deberta-v3-xsmall": deberta(),
        "microsoft/deberta-v3-small": deberta(),
        "answerdotai/ModernBERT-base": modernbert(),
    }
    for name, model in models.items():
        model.save_pretrained(root / name)
        huggingface_files.write_tokenizer(
            tiny.tokenizer(), root / name, 64, "electra" in name
        )
    # Microsoft's have no safetensors.
    pickled = root / "microsoft/deberta-v3-small"
    (pickled / "model.safetensors").unlink()
    torch.save(
        models["microsoft/deberta-v3-small"].state_dict(),
        pickled / "pytorch_model.bin",
    )
    document = "\n".join(" ".join(tiny.WORDS[i : i + 9]) for i in range(60))
    (root / "corpus.txt").write_text("\n\n".join([document] * 50))
    return root


def run(tool, released, *names):
    options = [
        f"--from={released}",
        f"--data={released}/corpus.txt",
        "--steps=2",
        "--sequence_length=16",
    ]
    return tool.main([*names, *options])


def test_models_that_are_right(tool, released, capsys):
    status = run(tool, released)
    said = capsys.readouterr().out
    assert status == 0, said
    assert said.endswith("verdict: all equal and trainable\n")
    assert said.count("vectors differ") == 5 and said.count("2 steps") == 4


def test_other_vectors_and_a_missing_model_are_wrong(
    tool, released, capsys, monkeypatch
):
    name = "microsoft/deberta-v3-xsmall"
    load = tool.huggingface.load

    def other(folder):
        model = load(folder)
        model.set_weights([1.1 * w for w in model.get_weights()])
        return model

    monkeypatch.setattr(tool.huggingface, "load", other)
    monkeypatch.setitem(tool.MODELS, "google/none", ("google/none",))
    assert run(tool, released, name, "google/none") == 1
    said = capsys.readouterr().out
    assert "WRONG: discriminator: vectors differ by more" in said
    assert "WRONG: FileNotFoundError" in said
    assert said.endswith(f"wrong: {name}, google/none\n")
