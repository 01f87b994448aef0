"""A family, a tokenizer, a file format and an objective from outside of the
package, a few lines each, train together."""

import itertools

import keras
import pytest
from keras import ops

from keras_rtd import objectives
from keras_rtd import tokenizers
from keras_rtd.data import pretraining_dataset
from keras_rtd.data import readers
from keras_rtd.data.dataset import iterate
from keras_rtd.layers.encoder_block import EncoderBlock
from keras_rtd.layers.heads import DetectionHead
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import RtdBackbone
from keras_rtd.models import families
from keras_rtd.utils.setting import setting


class OneDense(EncoderBlock):
    def build(self, x_shape, shared_shape=None):
        self.query = self._dense("query", x_shape[-1], x_shape[-1])
        self.built = True

    def body(self, x, bias, training=None):
        return x + ops.tanh(self.query(x))


@keras.saving.register_keras_serializable(package="extension")
class DenseBackbone(RtdBackbone):
    family = "dense"

    def make_layer(self, index, **arguments):
        return OneDense(**arguments)


@keras.saving.register_keras_serializable(package="extension")
class Letters(tokenizers.Tokenizer):
    def __init__(self, letters="abcdefghijklmnopqrstuvwxyz ", **kwargs):
        super().__init__(**kwargs)
        self.letters = letters
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        self.set_vocabulary([*special, *letters])

    def encode_with_offsets(self, text):
        found = [self.letters.find(c) for c in text]
        ids = [i + 5 if i >= 0 else self.unk_token_id for i in found]
        return ids, [(i, i + 1) for i in range(len(text))]

    def get_config(self):
        return {**super().get_config(), "letters": self.letters}


def read_reversed(source, reading, first):
    """A document a line, written backwards under a first line REVERSED."""
    text = b"".join(iter(lambda: source.read(1 << 16), b"")).decode()
    yield readers.Piece([line[::-1] for line in text.splitlines()[1:]])


class IsVowel(objectives.Objective):
    """Which tokens are an a or an e?"""

    name = "is_vowel"

    scale: float = setting(1.0, "Weight of the loss.", at_least=0)

    def make_heads(self, backbone, generator):
        return {"vowel_head": DetectionHead.of(backbone)}

    def forward(self, model, batch, seed, step, training=None):
        encoded = model.encode(batch, batch["token_ids"], training)
        return {"vowel_logits": model.vowel_head(encoded)}

    def weights(self, batch):
        return {"vowel": ops.cast(batch["padding_mask"], "float32")}

    def terms(self, batch, outputs):
        ids = batch["token_ids"]
        vowel = ops.logical_or(ops.equal(ids, 5), ops.equal(ids, 9))
        sign = 1.0 - 2.0 * ops.cast(vowel, "float32")
        return {"vowel": {"loss": ops.softplus(sign * outputs["vowel_logits"])}}

    def term_weights(self):
        return {"vowel": self.scale}


@pytest.fixture
def registered(monkeypatch):
    for registry in (
        families.FAMILIES,
        tokenizers.TOKENIZERS,
        readers.FORMATS,
        objectives.OBJECTIVES,
    ):
        for name in ("dense", "letters", "reversed", "is_vowel"):
            # Taken out again at the end.
            monkeypatch.setitem(registry, name, None)
            del registry[name]
    families.register(DenseBackbone)
    tokenizers.register("letters", Letters)
    readers.register("reversed", read_reversed, (".rev",), (b"REVERSED\n",))
    objectives.register(IsVowel)


def test_they_train_together(registered, tmp_path):
    lines = ["a bad egg", "the sea", "we are here", "no luck today"] * 8
    text = "\n".join(["REVERSED", *(line[::-1] for line in lines)])
    (tmp_path / "corpus.rev").write_text(text + "\n")
    tokenizer = tokenizers.TOKENIZERS["letters"]()
    keras.utils.set_random_seed(0)
    model = ElectraPretrainer(
        families.get("dense")(
            vocabulary_size=tokenizer.vocabulary_size(),
            num_layers=1,
            num_heads=2,
            hidden_dim=16,
            embedding_dim=16,
            intermediate_dim=32,
            dropout=0.0,
        ),
        objective="is_vowel",
        optimizer_config={"learning_rate": 0.05, "warmup_steps": 0},
    )
    batches = pretraining_dataset(
        str(tmp_path / "*.rev"),
        tokenizer=tokenizer,
        sequence_length=16,
        batch_size=4,
        seed=0,
        packing=True,
    )
    losses, seen = [], set()
    for batch in itertools.islice(iterate(batches), 20):
        seen |= {tokenizer.decode(row) for row in batch["token_ids"]}
        model.reset_metrics()
        logs = model.train_on_batch(batch, return_dict=True)
        losses.append(float(logs["vowel_loss"]))
    assert any("b a d" in text for text in seen), seen
    assert losses[-1] < 0.5 * losses[0]
