import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from keras_rtd.data import pretraining_dataset
from keras_rtd.data import resume_at
from keras_rtd.data.dataset import BatchOptions
from keras_rtd.data.dataset import PreparedDataset
from keras_rtd.data.prepared import PreparedBatches
from keras_rtd.data.prepared import PreparedCorpus
from keras_rtd.layers.masking import MaskingOptions

REPOSITORY = pathlib.Path(__file__).parents[2]

WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None
import keras
import numpy as np
from keras_rtd.data import prepare_corpus, pretraining_dataset, resume_at
from keras_rtd.tokenizers import ElectraTokenizer

source, vocabulary, output = sys.argv[1:]
tokenizer = ElectraTokenizer(vocabulary)
prepare_corpus(source, output, tokenizer, validation_fraction=0.1)
arguments = {"sequence_length": 32, "batch_size": 4, "seed": 1}
train = pretraining_dataset(output, **arguments)
validation = pretraining_dataset(output, split="validation", **arguments)


class Recorder(keras.Model):
    def __init__(self):
        super().__init__()
        self.scale = self.add_weight(shape=())

    def call(self, batch):
        return keras.ops.sum(
            keras.ops.cast(batch["token_ids"], "float32"), axis=1
        ) * (1 + 0 * self.scale)

    def compute_loss(self, x, y, y_pred, *_, **__):
        return keras.ops.mean(y_pred)


def expected(first, count):
    return np.mean([
        train[i]["token_ids"].sum(1).mean() for i in range(first, first + count)
    ])


model = Recorder()
model.compile("sgd", run_eagerly=False)
history = model.fit(train, steps_per_epoch=3, epochs=4, verbose=0,
                    validation_data=validation)
# Epochs of fit follow each other in the data: it does not begin anew.
np.testing.assert_allclose(
    history.history["loss"], [expected(3 * i, 3) for i in range(4)], rtol=1e-5
)
rows = sum(int(b["padding_mask"].any(1).sum()) for b in validation)
assert validation.num_batches == -(-rows // 4), (validation.num_batches, rows)

late = resume_at(train, 7)
for name, value in late[0].items():
    np.testing.assert_array_equal(value, train[7][name])
try:
    pretraining_dataset(source, tokenizer)
except ImportError as error:
    assert "keras_rtd.data.prepare" in str(error)
else:
    raise AssertionError("text files need TensorFlow")
np.savez(output + ".npz", **train[5])
print("passed")
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_without_tensorflow(corpus, tokenizer, tmp_path, backend):
    pytest.importorskip(backend)
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text("\n".join(tokenizer.get_vocabulary()))
    output = str(tmp_path / "out")
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT_TENSORFLOW,
            *map(str, (corpus.directory, vocabulary, output)),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert result.stdout.endswith("passed\n"), result.stderr[-3000:]
    # What it read is what TensorFlow's dataset reads.
    with_tensorflow = pretraining_dataset(
        output, sequence_length=32, batch_size=4, seed=1, start_step=5
    )
    batch = next(iter(with_tensorflow))
    theirs = np.load(output + ".npz")
    for name, value in batch.items():
        np.testing.assert_array_equal(value, theirs[name])


def test_a_script_ends_while_batches_are_read(corpus, tokenizer, tmp_path):
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text("\n".join(tokenizer.get_vocabulary()))
    script = f"""
from keras_rtd.data import pretraining_dataset
from keras_rtd.tokenizers import ElectraTokenizer
tokenizer = ElectraTokenizer({str(vocabulary)!r})
iterator = iter(pretraining_dataset({str(corpus.directory)!r}, tokenizer))
next(iterator)
"""
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        check=True,
        timeout=100,
        capture_output=True,
    )


@pytest.mark.parametrize("step", [0, 1, 50])
def test_prepared_data_starts_anywhere(prepared, step):
    arguments = {"sequence_length": 32, "batch_size": 3}
    whole = pretraining_dataset(prepared, **arguments)
    expected = next(iter(whole.skip(step)))
    for started in (
        pretraining_dataset(prepared, start_step=step, **arguments),
        resume_at(whole, step),
        resume_at(resume_at(whole, 5), step),
    ):
        batch = next(iter(started))
        assert started.element_spec == whole.element_spec
        for name, value in expected.items():
            np.testing.assert_array_equal(value, batch[name])


def test_resuming_other_datasets():
    tf = pytest.importorskip("tensorflow")
    resumed = resume_at(tf.data.Dataset.range(10), 4)
    assert int(next(iter(resumed))) == 4
    with pytest.raises(TypeError, match="list"):
        resume_at([1, 2], 1)
    with pytest.raises(ValueError, match="`step` must be .* Received: -1"):
        resume_at(resumed, -1)


def test_prepared_dataset_reads_ahead_and_ends(prepared):
    options = BatchOptions(
        32, 4, 0, "validation", False, (0, 1), "pair", MaskingOptions()
    )
    batches = PreparedBatches(PreparedCorpus(prepared), options)
    dataset = PreparedDataset(batches)
    listed = list(dataset)
    assert len(listed) == dataset.num_batches == batches.num_batches
    # In any order, and more than once.
    for step in (2, 0, 0, 1):
        for name, value in batches.batch(step).items():
            np.testing.assert_array_equal(value, dataset[step][name])
    assert PreparedDataset(batches, start_step=1).num_batches == len(listed) - 1
    assert PreparedDataset(batches, start_step=1000).num_batches == 0


@pytest.mark.parametrize("of_text", [True, False])
@pytest.mark.parametrize(
    "arguments",
    [
        {"sequence_length": 7},
        {"sequence_length": 128.0},
        {"batch_size": 0},
        {"seed": -1},
        {"seed": "a"},
        {"split": "test"},
        {"segments": "triple"},
        {"shard": (2, 2)},
        {"shard": (-1, 2)},
        {"shard": 3},
        {"shard": (0, 0)},
        {"mask_rate": 1.0},
        {"keep_rate": 2},
        {"max_ngram": 0},
        {"start_step": -1},
    ],
    ids=str,
)
def test_bad_arguments_are_named(
    corpus, prepared, tokenizer, of_text, arguments
):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        pretraining_dataset(
            corpus.directory if of_text else prepared, tokenizer, **arguments
        )


@pytest.mark.parametrize(
    "arguments",
    [
        {"documents": "page"},
        {"errors": "ignore"},
        {"text_field": 1},
        {"validation_fraction": 1},
        {"shuffle_buffer": 0},
        {"tokenizer": None},
    ],
    ids=str,
)
def test_bad_arguments_for_text_are_named(corpus, tokenizer, arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}`"):
        pretraining_dataset(
            corpus.directory, **{"tokenizer": tokenizer, **arguments}
        )


def test_prepared_data_is_given_alone(corpus, prepared):
    with pytest.raises(ValueError, match="is prepared data"):
        pretraining_dataset([prepared, corpus.directory])
    next(iter(pretraining_dataset([prepared])))
