"""Documents to token ids, on one core or on many."""

import collections
import concurrent.futures
import multiprocessing
import os
import signal
import sys
import threading

import numpy as np

from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import is_int

# Smaller corpora are encoded before other processes would have begun.
_WORTH_WORKERS = 1 << 25

_tokenizer_of_worker = None


def encode_documents(tokenizer, documents):
    """Encodes documents.

    Args:
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        documents: list of str, lines separated by newlines.

    Returns:
        Tuple of tokens (T,) of the smallest type that holds every id, tokens
        per line, and lines per document, both int64.

    Raises:
        ValueError: The tokenizer gives an id outside its vocabulary.
    """
    parts = [document.split("\n") for document in documents]
    counts = [len(part) for part in parts]
    if tokenizer.keeps_lines:
        parts = [[*(f"{x}\n" for x in part[:-1]), part[-1]] for part in parts]
    lines = [line for part in parts for line in part]
    encoded = tokenizer.encode_arrays(lines)
    tokens = np.concatenate(encoded)
    size = tokenizer.vocabulary_size()
    if len(tokens) and int(tokens.max()) >= size:
        raise ValueError(
            f"The tokenizer gave the id {tokens.max()}, which is outside its "
            f"vocabulary of {size}."
        )
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    dtype = np.uint16 if size <= 1 << 16 else np.uint32
    return tokens.astype(dtype), lengths, np.array(counts)


def encode_blocks(blocks, tokenizer, num_workers):
    """Yields blocks with their encoded documents, in order.

    Args:
        blocks: iterator of `keras_rtd.data.corpus.Block`.
        tokenizer: see `encode_documents`.
        num_workers: int. Above 1, so many processes encode.

    Yields:
        Tuples of a block and the result of `encode_documents`.
    """
    if num_workers == 1:
        with concurrent.futures.ThreadPoolExecutor(1) as reader:
            # The next block is read while this one is encoded.
            upcoming = reader.submit(next, blocks, None)
            while (block := upcoming.result()) is not None:
                upcoming = reader.submit(next, blocks, None)
                yield block, encode_documents(tokenizer, block.documents)
        return
    # A process forked after its threads began would wait for them forever.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # A forked process has the tokenizer at once and needs no imports.
    method = "fork" if sys.platform == "linux" else "spawn"
    workers = concurrent.futures.ProcessPoolExecutor(
        num_workers,
        multiprocessing.get_context(method),
        _begin_worker,
        (tokenizer,),
    )
    with workers:
        waiting: collections.deque = collections.deque()
        for block in blocks:
            future = workers.submit(_encode_in_worker, block.documents)
            waiting.append((block, future))
            if len(waiting) > 2 * num_workers:
                block, future = waiting.popleft()
                yield block, future.result()
        for block, future in waiting:
            yield block, future.result()


def check_workers(num_workers):
    """Raises `SettingError` for more processes than this machine can use."""
    most = max(16, 4 * (os.cpu_count() or 1))
    if not is_int(num_workers) or not 1 <= num_workers <= most:
        rule = f"an int from 1 to {most} on this machine"
        raise SettingError("num_workers", rule, num_workers)


def default_workers(num_bytes):
    """Returns how many processes a corpus of so many bytes is worth."""
    if num_bytes < _WORTH_WORKERS or sys.platform != "linux":
        return 1
    return len(os.sched_getaffinity(0))


def _begin_worker(tokenizer):
    global _tokenizer_of_worker
    _tokenizer_of_worker = tokenizer
    # The main process handles interrupts, and no worker outlives it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _encode_in_worker(documents):
    return encode_documents(_tokenizer_of_worker, documents)
