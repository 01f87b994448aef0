"""Requests a second and their latency, of `python -m keras_rtd.serve`.

    KERAS_BACKEND=jax python benchmarks/serve_load.py runs/mine --attack

Starts the server on a free port of this machine, and clients beside it on the
same cores. Each client sends a text of random words of the preset's vocabulary
to /v1/detect, waits for the answer, and sends the next over the same
connection. An answer counts if it has a score for every word.

With `--attack` it measures again beside two clients that send large requests
without end, one of 980 KB and one of 80 KB, and 1,100 connections that stop in
the middle of their headers and are opened anew when they are closed. At the end
it prints how much the server has logged.
"""

import argparse
import concurrent.futures
import http.client
import itertools
import json
import multiprocessing
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

HALF_SENT = 1100


def start(preset, options, log):
    """The server's process and port, once it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_rtd.serve", preset, "--port=0", *options],
        stdout=subprocess.PIPE,
        stderr=log,
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


def client(port, requests, words, deadline):
    """Seconds of each answered request, and how many were not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    seconds, lost = [], 0
    for body in requests:
        begin = time.perf_counter()
        if begin > deadline:
            break
        try:
            connection.request("POST", "/v1/detect", body)
            response = connection.getresponse()
            (result,) = json.loads(response.read())["results"]
            answered = len(result["replaced_probability"]) == words
        except (OSError, http.client.HTTPException, KeyError, ValueError):
            connection.close()
            answered = False
        if answered:
            seconds.append(time.perf_counter() - begin)
        lost += not answered
    connection.close()
    return seconds, lost


def measure(port, requests, clients, words, most_seconds):
    """Columns of the table: a string."""
    shares = [requests[i::clients] for i in range(clients)]
    begin = time.perf_counter()
    deadline = begin + most_seconds
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        found = list(
            pool.map(lambda r: client(port, r, words, deadline), shares)
        )
    total = time.perf_counter() - begin
    seconds = np.array([s for part, _ in found for s in part])
    lost = sum(n for _, n in found)
    p50, p99 = (
        np.percentile(seconds, [50, 99]) * 1e3 if len(seconds) else (0, 0)
    )
    return (
        f"{len(seconds) / total:,.1f} | {p50:,.1f} ms | {p99:,.1f} ms | "
        f"{lost} of {len(seconds) + lost:,} |"
    )


def attack(port, bodies):
    """What `--attack` says, until this process is ended."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for body in bodies:
        requests = itertools.repeat(body)
        threading.Thread(
            target=client, args=(port, requests, 0, float("inf"))
        ).start()
    held = []
    while True:
        held = [connection for connection in held if is_open(connection)]
        try:
            while len(held) < HALF_SENT:
                held.append(socket.create_connection(("127.0.0.1", port), 1))
                held[-1].sendall(b"POST /v1/detect HTTP/1.1\r\nHost: ")
                held[-1].setblocking(False)
        except OSError:
            pass
        time.sleep(0.1)


def is_open(connection):
    try:
        # Whatever the server says, it closes then.
        connection.recv(1)
    except BlockingIOError:
        return True
    except OSError:
        pass
    connection.close()
    return False


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("preset", help="a preset directory")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--words", type=int, default=24, help="of a text")
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="Seconds after which a row of the table ends, with fewer requests",
    )
    parser.add_argument(
        "--attack", action="store_true", help="Measure under attack, too"
    )
    options, others = parser.parse_known_args()
    requests = bodies(options.preset, options.requests, options.words)
    long = json.loads(bodies(options.preset, 1, 10_000)[0])["texts"][0][:20_000]
    large = [json.dumps({"texts": [long] * count}) for count in (49, 4)]
    with tempfile.TemporaryFile() as log:
        process, port = start(options.preset, others, log)

        def table(state):
            for count in options.clients:
                columns = measure(
                    port, requests, count, options.words, options.seconds
                )
                print(f"| {state} | {count} | {columns}", flush=True)

        try:
            measure(port, requests[:100], 4, options.words, 60)
            print(
                "| | clients | requests/s | p50 | p99 | lost |\n"
                "|---|---|---|---|---|---|"
            )
            table("alone")
            if options.attack:
                attacker = multiprocessing.Process(
                    target=attack, args=(port, large)
                )
                attacker.start()
                time.sleep(5)
                table("attacked")
                attacker.kill()
                attacker.join()
        finally:
            process.kill()
            process.wait()
        print(f"\nThe server has logged {log.seek(0, 2):,} bytes.")


if __name__ == "__main__":
    main()
