"""The input pipeline alone, one core: text or shards to masked batches.

Beside Hugging Face `tokenizers` with `DataCollatorForLanguageModeling`, on the
same text: Python's own documentation, written out eight times over.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
COPIES = 8
SEQUENCE_LENGTH = 128
BATCH_SIZE = 32
WARM_UP_SECONDS = 6.0
SECONDS = 6.0
TIMEOUT = 300
NAMES = (
    "keras_rtd, text on the fly",
    "keras_rtd, prepared shards",
    "huggingface, tokenizers + MLM collator",
)


def measure():
    """A row for each of `NAMES`, each in a process held to one core."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            done = subprocess.run(
                [sys.executable, str(HERE / "pipeline.py"), name, folder],
                text=True,
                env={
                    **os.environ,
                    "KERAS_BACKEND": "tensorflow",
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                    # Else tokenizers and TensorFlow take every core.
                    "RAYON_NUM_THREADS": "1",
                    "HF_HUB_OFFLINE": "1",
                },
                capture_output=True,
                timeout=TIMEOUT,
            )
            if done.returncode:
                print(f"  {name} failed:\n{done.stderr[-2000:]}")
                continue
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(
                "  {name}: {tokens_per_second:,.0f} tokens/s".format(**rows[-1])
            )
    return rows


def _text(folder):
    from keras_rtd.data.python_docs import write_corpus

    path = pathlib.Path(folder) / "text.txt"
    if not path.exists():
        write_corpus(path)
        text = path.read_text("utf-8")
        path.write_text("\n\n".join([text] * COPIES), "utf-8")
    return path


def _ours(folder, prepared):
    import keras_rtd
    from keras_rtd.data import prepare_corpus

    text = str(_text(folder))
    tokenizer = keras_rtd.models.ElectraTokenizer.from_preset(
        "electra_small_uncased_en"
    )
    data = text
    if prepared:
        data = str(pathlib.Path(folder) / "prepared")
        prepare_corpus(text, data, tokenizer, num_workers=1)
    dataset = keras_rtd.data.pretraining_dataset(
        data,
        tokenizer=tokenizer,
        sequence_length=SEQUENCE_LENGTH,
        batch_size=BATCH_SIZE,
        seed=0,
    )
    if hasattr(dataset, "num_batches"):
        i = 0
        while True:
            yield dataset[i]["padding_mask"]
            i += 1
    for batch in dataset:
        yield batch["padding_mask"].numpy()


def _huggingface(folder):
    from transformers import DataCollatorForLanguageModeling
    from transformers import ElectraTokenizerFast

    import keras_rtd

    ours = keras_rtd.models.ElectraTokenizer.from_preset(
        "electra_small_uncased_en"
    )
    vocabulary = pathlib.Path(folder) / "vocab.txt"
    vocabulary.write_text("\n".join(ours.get_vocabulary()) + "\n", "utf-8")
    tokenizer = ElectraTokenizerFast(
        vocab=str(vocabulary), model_max_length=10**9
    )
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    room = SEQUENCE_LENGTH - 2
    documents = _text(folder).read_text("utf-8").split("\n\n")
    rows = []
    while True:
        for start in range(0, len(documents), 1000):
            chunk = documents[start : start + 1000]
            encoded = tokenizer(chunk, add_special_tokens=False)["input_ids"]
            # The usual recipe: join, cut into windows.
            ids = [i for document in encoded for i in document]
            for begin in range(0, len(ids) - room, room):
                window = ids[begin : begin + room]
                rows.append(
                    [tokenizer.cls_token_id, *window, tokenizer.sep_token_id]
                )
                if len(rows) == BATCH_SIZE:
                    batch = collate([{"input_ids": row} for row in rows])
                    yield batch["attention_mask"].numpy()
                    rows = []


def main(name, folder):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    iterator = {
        NAMES[0]: lambda: _ours(folder, prepared=False),
        NAMES[1]: lambda: _ours(folder, prepared=True),
        NAMES[2]: lambda: _huggingface(folder),
    }[name]()
    # What buffers held at the start is used up by then.
    end = time.perf_counter() + WARM_UP_SECONDS
    while time.perf_counter() < end:
        next(iterator)
    tokens, start = 0, time.perf_counter()
    while time.perf_counter() < start + SECONDS:
        tokens += int(next(iterator).sum())
    speed = tokens / (time.perf_counter() - start)
    # Bytes of text a token of it stands for.
    path = _text(folder)
    import keras_rtd

    tokenizer = keras_rtd.models.ElectraTokenizer.from_preset(
        "electra_small_uncased_en"
    )
    text = path.read_text("utf-8")
    sample = text[: len(text) // COPIES]
    length = sum(map(len, tokenizer.encode_batch([sample])))
    density = len(sample.encode("utf-8")) / length
    print(
        json.dumps(
            {
                "name": name,
                "tokens_per_second": speed,
                "megabytes_per_second": speed * density / 1e6,
            }
        )
    )
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
