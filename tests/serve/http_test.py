"""What the server answers, whatever the model."""

import concurrent.futures
import itertools
import json
import re

import pytest

from keras_rtd.serve.requests import Limits


@pytest.fixture
def client(start_server, reverse):
    return start_server([reverse], Limits(1000, 3, 10))


def test_answers(client):
    body = {"texts": ["abc", "", "é中"]}
    assert client.post("detect", body) == (200, {"results": ["cba", "", "中é"]})
    assert client.post("detect", {"texts": []}) == (200, {"results": []})
    health = {"status": "ok", "waiting": 0}
    assert client.json("GET", "/health") == (200, health)
    status, model = client.json("GET", "/v1/model")
    assert status == 200
    assert model["endpoints"] == {
        "detect": {"preset": "none", "task": "Reverse"}
    }
    assert model["limits"]["max_characters"] == 10


@pytest.mark.parametrize(
    "body, status, message",
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b'{"texts": ["\xff"]}', 400, "not JSON"),
        (b"[" * 900, 400, "not JSON|nested"),
        (b"null", 422, "holds NoneType"),
        (b'["a"]', 422, "holds list"),
        ({"text": ["a"]}, 422, r'the names \["text"\]'),
        ({"texts": ["a"], "more": 1}, 422, "more"),
        ({"texts": "a"}, 422, "texts must be a list, not str"),
        ({"texts": ["a", 1]}, 422, r"texts\[1\] must be a string, not int"),
        ({"texts": ["a" * 11]}, 422, r"texts\[0\] has 11 .* --max_characters"),
        (rb'{"texts": ["\ud83d"]}', 422, "half a character at 0"),
        ({"texts": ["a"] * 4}, 422, "4 entries; .* --max_texts"),
        (b" " * 1001, 413, "1,000 bytes.*--max_body_bytes"),
        (b" " * 5_000_000, 413, "1,000 bytes.*--max_body_bytes"),
    ],
)
def test_bad_bodies(client, body, status, message):
    found, answer = client.post("detect", body)
    assert found == status
    assert set(answer) == {"error"}
    assert re.search(message, answer["error"])
    # The next request finds a server in order.
    assert client.post("detect", {"texts": ["ab"]})[0] == 200


def test_a_body_of_unknown_length_is_measured_too(client):
    def parts():
        for _ in range(50):
            yield b" " * 100

    status, _, answer = client.send("POST", "/v1/detect", parts())
    assert status == 413 and b"--max_body_bytes" in answer


@pytest.mark.parametrize(
    "method, path, status, message",
    [
        ("GET", "/v1/detect", 405, "GET is not for /v1/detect"),
        ("POST", "/health", 405, "POST is not for /health"),
        ("GET", "/nothing", 404, "GET /health"),
        ("POST", "/v1/nothing", 404, "POST /v1/detect"),
        ("POST", "/v1/classify", 404, "ElectraTextClassifier"),
        ("POST", "/v1/tag", 404, "ElectraTokenClassifier"),
        ("POST", "/v1/answer", 404, "ElectraQuestionAnswerer"),
    ],
)
def test_wrong_places(client, method, path, status, message):
    found, answer = client.json(method, path)
    assert found == status
    assert message in answer["error"]


def test_a_failing_model_costs_only_its_own_requests(client):
    status, answer = client.post("detect", {"texts": ["fail"]})
    assert status == 500 and "log" in answer["error"]
    assert client.post("detect", {"texts": ["ab"]})[0] == 200


def test_a_full_queue_says_so_and_recovers(start_server, reverse):
    client = start_server([reverse], max_batch=1, max_wait_ms=0, max_queue=2)
    reverse.may_run.clear()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = []
        for i in range(8):
            body = json.dumps({"texts": [f"{i}"]})
            answers.append(pool.submit(client.send, "POST", "/v1/detect", body))
            # One runs and two wait.
            assert reverse.runs.wait(30)
        refused = itertools.islice(
            concurrent.futures.as_completed(answers, 30), 5
        )
        assert [future.result()[0] for future in refused] == [503] * 5
        reverse.may_run.set()
    statuses = sorted(future.result()[0] for future in answers)
    assert statuses == [200] * 3 + [503] * 5
    for future in answers:
        status, headers, answer = future.result()
        if status == 503:
            assert headers["Retry-After"] == "1"
            assert "Try again" in json.loads(answer)["error"]
    assert client.post("detect", {"texts": ["ab"]})[0] == 200


def test_requests_are_batched_and_each_gets_its_own(start_server, reverse):
    client = start_server([reverse], max_batch=8, max_wait_ms=50)
    texts = [[f"{i:03}", f"{i:04}"] for i in range(100)]
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(
            pool.map(lambda t: client.post("detect", {"texts": t}), texts)
        )
    for pair, (status, answer) in zip(texts, answers):
        assert status == 200
        assert answer["results"] == [text[::-1] for text in pair]
    assert sum(reverse.batches) == 200
    assert max(reverse.batches) == 8
    assert len(reverse.batches) < 100


def test_the_page_is_alone_and_may_load_nothing(client):
    status, headers, page = client.send("GET", "/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    text = page.decode()
    assert "://" not in text and "innerHTML" not in text
