"""Requests a second and their latency, of `python -m keras_rtd.serve`.

    KERAS_BACKEND=jax python benchmarks/serve_load.py runs/mine --clients 1 8 32

Starts the server on a free port of this machine, and clients beside it on the
same cores. Each client sends a text of random words of the preset's vocabulary
to /v1/detect, waits for the answer, and sends the next over the same
connection. An answer counts if it has a score for every word.
"""

import argparse
import concurrent.futures
import http.client
import json
import re
import subprocess
import sys
import time

import numpy as np


def start(preset, options):
    """The server's process and port, once it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_rtd.serve", preset, "--port=0", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        found = re.search(r"Listening on http://[^ ]*:(\d+)", line)
        if found:
            return process, int(found.group(1))
    raise SystemExit(process.wait())


def bodies(preset, count, words, seed=0):
    """Requests of random whole words of a vocabulary."""
    with open(f"{preset}/assets/tokenizer/vocabulary.txt") as file:
        known = [word for word in file.read().split() if word.isalpha()]
    rng = np.random.default_rng(seed)
    return [
        json.dumps({"texts": [" ".join(rng.choice(known, words))]})
        for _ in range(count)
    ]


def client(port, requests, words):
    """Seconds of each answered request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    seconds = []
    for body in requests:
        begin = time.perf_counter()
        try:
            connection.request("POST", "/v1/detect", body)
            response = connection.getresponse()
            answer = json.loads(response.read())
            (result,) = answer["results"]
        except (OSError, http.client.HTTPException, KeyError, ValueError):
            connection.close()
            continue
        if len(result["replaced_probability"]) == words:
            seconds.append(time.perf_counter() - begin)
    connection.close()
    return seconds


def measure(port, requests, clients, words):
    """A row of the table: a string."""
    shares = [requests[i::clients] for i in range(clients)]
    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        found = list(pool.map(lambda r: client(port, r, words), shares))
    total = time.perf_counter() - begin
    seconds = np.array([s for part in found for s in part])
    lost = len(requests) - len(seconds)
    p50, p99 = (
        np.percentile(seconds, [50, 99]) * 1e3 if len(seconds) else (0, 0)
    )
    return (
        f"| {clients} | {len(seconds) / total:,.0f} | {p50:.1f} ms | "
        f"{p99:.1f} ms | {lost} of {len(requests):,} |"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("preset", help="a preset directory")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--words", type=int, default=24, help="of a text")
    options, others = parser.parse_known_args()
    requests = bodies(options.preset, options.requests, options.words)
    process, port = start(options.preset, others)
    try:
        measure(port, requests[:100], 4, options.words)
        print(
            "| clients | requests/s | p50 | p99 | lost |\n|---|---|---|---|---|"
        )
        for clients in options.clients:
            print(measure(port, requests, clients, options.words), flush=True)
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
