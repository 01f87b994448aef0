"""The bundled tiny presets have trained weights."""

import keras
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from keras_rtd.data.python_docs import write_corpus
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import RtdBackbone
from keras_rtd.models.bundled import DIRECTORY

# Other tests read presets of classic layers on every backend.
NAMES = (
    pytest.param("electra_tiny_uncased_en", marks=pytest.mark.run_once),
    "rtd_modern_tiny_uncased_en",
)

pytestmark = pytest.mark.parametrize("name", NAMES)

# A sentence, a word of it, and what stands there instead.
SWAPPED = [
    ("The river flows into the sea near the city.", "flows", "purple"),
    ("She was born in a small town in Germany.", "born", "guitar"),
    ("The president signed the law in the year 1933.", "signed", "apple"),
    ("He studied law at the university of London.", "university", "singing"),
    ("The first king of the country died in battle.", "king", "when"),
    ("Many people live in the northern part of the island.", "people", "of"),
    ("The cell divides into two equal parts.", "two", "minister"),
    ("They moved to New York after the war.", "moved", "river"),
]


def test_the_files_are_small(name):
    files = list((DIRECTORY / name).glob("*.h5"))
    assert len(files) == 2
    assert sum(f.stat().st_size for f in files) < 10e6


def test_a_word_becomes_more_suspicious_where_it_does_not_belong(name):
    detector = ElectraReplacedTokenDetector.from_preset(name)
    tokenizer = detector.preprocessor.tokenizer
    rises, ranks = [], []
    for sentence, word, other in SWAPPED:
        texts = [sentence, sentence.replace(word, other)]
        logits = detector.predict(texts, verbose=0)["discriminator_logits"]
        place = 1 + len(tokenizer.encode_batch([sentence.split(word)[0]])[0])
        rises.append(logits[1, place] > logits[0, place])
        count = len(tokenizer.encode_batch([texts[1]])[0])
        others = np.delete(logits[1, 1 : count + 1], place - 1)
        ranks.append((logits[1, place] > others).mean())
    assert np.mean(rises) > 0.8
    # More suspicious than most other tokens too. The modern weights rank these
    # eight at .75, and 1,777 of the next test better
    # (docs/experiments/2026/weights.md).
    if name == "electra_tiny_uncased_en":
        assert np.mean(ranks) > 0.8


def test_the_detector_ranks_swapped_words_first(name, tmp_path):
    # Prose of a kind that was not in its training.
    write_corpus(tmp_path / "corpus.txt")
    paragraphs = (tmp_path / "corpus.txt").read_text("utf-8").split("\n\n")
    paragraphs = [text for text in paragraphs if len(text) > 200][:100]
    detector = ElectraReplacedTokenDetector.from_preset(name)
    tokenizer = detector.preprocessor.tokenizer
    rows = [row[:126] for row in tokenizer.encode_batch(paragraphs)]
    words = np.concatenate(rows)
    rng = np.random.default_rng(0)
    ids = np.full((len(rows), 128), tokenizer.pad_token_id, "int32")
    replaced, inner = np.zeros((2, *ids.shape), bool)
    for i, row in enumerate(rows):
        count = len(row)
        swapped = rng.random(count) < 0.15
        new = np.where(swapped, rng.choice(words, count), row)
        ids[i, 0], ids[i, count + 1] = (
            tokenizer.cls_token_id,
            tokenizer.sep_token_id,
        )
        ids[i, 1 : count + 1] = new
        replaced[i, 1 : count + 1] = new != row
        inner[i, 1 : count + 1] = True
    batch = {
        "token_ids": ids,
        "segment_ids": np.zeros_like(ids),
        "padding_mask": (ids != tokenizer.pad_token_id).astype("int32"),
    }
    logits = keras.ops.convert_to_numpy(detector(batch)["discriminator_logits"])
    assert roc_auc_score(replaced[inner], logits[inner]) > 0.8


def test_the_generator_knows_words(name):
    model = ElectraMaskedLM.from_preset(name)
    batch = model.preprocessor([s for s, _, _ in SWAPPED])
    batch = {k: np.asarray(v).astype("int32") for k, v in batch.items()}
    tokenizer = model.preprocessor.tokenizer
    places, ids = [], []
    for row, (sentence, word, _) in enumerate(SWAPPED):
        place = 1 + len(tokenizer.encode_batch([sentence.split(word)[0]])[0])
        places.append([place])
        ids.append(batch["token_ids"][row, place])
        batch["token_ids"][row, place] = tokenizer.mask_token_id
    batch["mask_positions"] = np.array(places, "int32")
    logits = keras.ops.convert_to_numpy(model(batch))[:, 0]
    logits = logits - logits.max(-1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    nll = -log_p[np.arange(len(ids)), ids].mean()
    # Guessing among all tokens costs 9.0.
    assert nll < 6.5


def test_weights_go_on_training_or_are_left_out(name):
    trained = ElectraPretrainer.from_preset(name)
    assert int(np.asarray(trained.step)) == 0
    backbone = RtdBackbone.from_preset(name)
    for mine, its in zip(
        backbone.get_weights(), trained.backbone.get_weights()
    ):
        np.testing.assert_array_equal(mine, its)
    fresh = ElectraPretrainer.from_preset(name, load_weights=False)
    kernels = [
        m.backbone.transformer_layers[0].query.kernel for m in (trained, fresh)
    ]
    assert np.abs(np.asarray(kernels[0]) - np.asarray(kernels[1])).max() > 0.1


def test_other_sizes_start_afresh_and_say_so(name):
    with pytest.warns(UserWarning, match="num_layers.: starting from fresh"):
        model = ElectraPretrainer.from_preset(name, num_layers=1)
    assert len(model.backbone.transformer_layers) == 1
