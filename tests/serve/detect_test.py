"""Scores of the server are the model's own."""

import concurrent.futures

import keras
import numpy as np
import pytest
import tiny

from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.serve.detect import Detect
from keras_rtd.serve.detect import windows
from keras_rtd.serve.loading import load_services
from keras_rtd.serve.packed import batch_sizes
from keras_rtd.serve.packed import bucket
from keras_rtd.serve.packed import lengths
from keras_rtd.serve.requests import Limits


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "preset"
    tiny.pretrainer(with_tokenizer=True).save_to_preset(str(folder))
    return folder


@pytest.fixture(scope="module")
def service(preset):
    # A run's directory stands for its preset.
    (service,) = load_services([preset.parent], max_batch=32)
    assert service.preset == str(preset)
    return service


def one_by_one(preset, texts):
    """Probabilities of the tokens of short texts."""
    model = ElectraReplacedTokenDetector.from_preset(str(preset))
    found = []
    for text in texts:
        batch = model.preprocessor([text])
        count = int(
            keras.ops.sum(keras.ops.cast(batch["padding_mask"], "int32"))
        )
        logits = model(batch, training=False)["discriminator_logits"]
        probability = keras.ops.convert_to_numpy(keras.ops.sigmoid(logits[0]))
        found.append(probability[1 : count - 1])
    return found


def alone(service, ids):
    """Probabilities of one row's tokens, not batched with others."""
    tokenizer = service.tokenizer
    row = service.row([tokenizer.cls_token_id, *ids, tokenizer.sep_token_id])
    (output,) = service.run(row.key, [row.value])
    logits = output["discriminator_logits"][1 : 1 + len(ids)]
    return 1 / (1 + np.exp(-logits))


def texts(count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        " ".join(rng.choice(tiny.WORDS, rng.integers(1, 11)))
        for _ in range(count)
    ]


def test_200_concurrent_requests_are_answered_as_one_by_one(
    start_server, preset, service
):
    service.warm_up()
    client = start_server([service])
    wanted = texts(40) * 5
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        answers = list(
            pool.map(lambda t: client.post("detect", {"texts": [t]}), wanted)
        )
    for text, (status, answer) in zip(wanted, answers):
        assert status == 200
        (result,) = answer["results"]
        assert result["tokens"] == text.split()
        found = [text[start:end] for start, end in result["offsets"]]
        assert found == text.split()
        assert len(result["replaced_probability"]) == len(found)
    for row, (_, answer) in zip(one_by_one(preset, wanted[:40]) * 5, answers):
        np.testing.assert_allclose(
            answer["results"][0]["replaced_probability"], row, atol=2e-6
        )


def test_nothing_is_compiled_after_the_warm_up(service, monkeypatch):
    if keras.config.backend() == "torch":
        pytest.skip("PyTorch compiles nothing")
    service.warm_up()
    traced = []
    embeddings = service.model.backbone.embeddings
    call = type(embeddings).call
    monkeypatch.setattr(
        type(embeddings),
        "call",
        lambda self, *a, **k: traced.append(1) or call(self, *a, **k),
    )
    for rows in (1, 2, 5, 17, 32):
        for length in (1, 7, 14):
            service.run(16, [(np.full(length, 7), None)] * rows)
    assert not traced


def test_a_long_text_is_scored_in_windows(start_server, service):
    client = start_server([service])
    text = " ".join(texts(20, seed=1))
    _, answer = client.post("detect", {"texts": [text]})
    (result,) = answer["results"]
    assert result["tokens"] == text.split()
    ids = service.tokenizer.encode_batch([text])[0]
    content = service.sequence_length - 2
    scores = result["replaced_probability"]
    assert len(scores) == len(ids) > 3 * content
    # The first window's score at the start, the last one's at the end.
    first, last = (alone(service, x) for x in (ids[:content], ids[-content:]))
    np.testing.assert_allclose(scores[:8], first[:8], atol=2e-6)
    np.testing.assert_allclose(scores[-8:], last[-8:], atol=2e-6)


@pytest.mark.parametrize(
    "limits, allowed, refused, option",
    [
        (Limits(max_rows=3), [1, 1, 1], [1, 1, 1, 1], "3 rows"),
        # Windows of 14 tokens that overlap by 3.
        (Limits(max_rows=3), [36], [37], "3 rows"),
        # With [CLS] and [SEP].
        (Limits(max_tokens=32), [25], [25, 1], "32 tokens"),
        (Limits(max_tokens=32), [14, 14], [14, 14, 1], "32 tokens"),
    ],
)
def test_rows_and_tokens_of_a_request_are_limited(
    start_server, service, limits, allowed, refused, option
):
    client = start_server([service], limits)
    for counts, wanted in ((allowed, 200), (refused, 413)):
        body = {"texts": ["the " * count for count in counts]}
        status, answer = client.post("detect", body)
        assert status == wanted
    name = option.split()[1]
    assert option in answer["error"] and f"--max_{name}" in answer["error"]


@pytest.mark.parametrize("content", [1, 2, 3, 4, 14, 126])
def test_windows_give_each_token_one_score(content):
    for count in [*range(60), 1000]:
        seen = []
        for start, end, first, last in windows(count, content):
            assert 0 <= start <= end <= count
            assert end - start <= content
            assert 0 <= first <= last <= end - start
            seen += range(start + first, start + last)
        assert seen == list(range(count))


def test_few_shapes():
    assert lengths(128) == [32, 64, 128]
    assert lengths(16) == [16]
    assert lengths(100) == [32, 64, 100]
    assert batch_sizes(1) == [1]
    assert batch_sizes(32) == [1, 4, 16, 32]
    assert bucket(5, [1, 4, 16]) == 16 and bucket(4, [1, 4, 16]) == 4


def test_a_detector_saved_alone_serves_the_same(preset, service, tmp_path):
    model = ElectraReplacedTokenDetector.from_preset(str(preset))
    model.save_to_preset(str(tmp_path / "detector"))
    (other,) = load_services([tmp_path / "detector"], max_batch=32)
    assert isinstance(other, Detect)
    ids = np.arange(5, 12)
    np.testing.assert_allclose(
        alone(other, ids), alone(service, ids), atol=1e-6
    )


def test_what_cannot_be_served_is_said(preset, tmp_path):
    with pytest.raises(ValueError, match="No preset"):
        load_services([tmp_path / "nothing"], 32)
    with pytest.raises(ValueError, match="both for /v1/detect"):
        load_services([preset, preset.parent], 32)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(ValueError, match="no preset/ yet"):
        load_services([tmp_path / "run"], 32)
    model = tiny.pretrainer(with_tokenizer=True)
    model.backbone.save_to_preset(str(tmp_path / "encoder"))
    with pytest.raises(ValueError, match="a bare encoder, which no endpoint"):
        load_services([tmp_path / "encoder"], 32)
    tiny.pretrainer().save_to_preset(str(tmp_path / "mute"))
    with pytest.raises(ValueError, match="no tokenizer"):
        load_services([tmp_path / "mute"], 32)
    tiny.pretrainer(with_tokenizer=True, objective="mlm").save_to_preset(
        str(tmp_path / "mlm")
    )
    with pytest.raises(ValueError, match="'mlm' has no detector"):
        load_services([tmp_path / "mlm"], 32)
