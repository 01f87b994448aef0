"""A corpus, block by block, to shards of both splits."""

import numpy as np
import tqdm

from keras_rtd.data import corpus
from keras_rtd.data import storage
from keras_rtd.data.advice import check_unknown
from keras_rtd.data.encoding import default_workers
from keras_rtd.data.encoding import encode_blocks
from keras_rtd.data.shards import ShardWriter
from keras_rtd.data.sieve import Sieve

# So many tokens show early that the vocabulary does not fit.
_CHECKED_TOKENS = 1 << 16


class CorpusWriter:
    """The shards of a corpus, from where `state` says.

    Args:
        output: str, directory.
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        state: dict, as the progress file holds it.
        corpora: list of `keras_rtd.data.corpora.Corpus`, resolved.
    """

    def __init__(self, output, tokenizer, state, corpora):
        self._output = output
        self._tokenizer = tokenizer
        self._state = state
        self._corpora = corpora
        self._corpus_of_file = np.repeat(
            np.arange(len(corpora)), [len(each.data) for each in corpora]
        )
        self._left_out = np.zeros(2, np.int64)

    def run(self, reading, num_workers, progress):
        """Writes all shards; `state` is saved with each.

        Args:
            reading: `keras_rtd.data.readers.Reading`.
            num_workers: int or `None`, see `prepare_corpus`.
            progress: bool, show a progress bar.
        """
        state, options = self._state, self._state["options"]
        sizes = [source["bytes"] for source in options["sources"]]
        done_before = np.cumsum([0, *sizes])
        start = tuple(state["next"])
        sieve = Sieve(self._tokenizer, options.get("drop_duplicates", False))
        blocks = corpus.read_blocks(
            [file for each in self._corpora for file in each.data],
            reading,
            # Which documents are duplicates depends on all before.
            start=(0, 0) if options.get("drop_duplicates") else start,
        )
        if num_workers is None:
            num_workers = default_workers(sum(sizes))
        bar = tqdm.tqdm(
            total=sum(sizes) or None,
            unit="B",
            unit_scale=True,
            desc="Preparing",
            disable=not progress,
        )
        writer, current, following = None, None, list(start)
        unknown = total = 0
        with bar:
            for block, encoded in encode_blocks(
                sieve.blocks(blocks, start), self._tokenizer, num_workers
            ):
                of_block = self._corpus_of_file[block.file]
                if writer is None or of_block != current:
                    if writer is not None and writer.num_tokens:
                        self._commit(writer, current, following)
                    current = of_block
                    writer = ShardWriter(
                        self._output, state["thresholds"][current]
                    )
                writer.add(block, encoded)
                following = [block.file, block.number + 1]
                self._left_out += (block.skipped, block.duplicates)
                if total < _CHECKED_TOKENS:
                    total += len(encoded[0])
                    unknown += int(
                        (encoded[0] == self._tokenizer.unk_token_id).sum()
                    )
                    if total >= _CHECKED_TOKENS:
                        check_unknown(unknown, total, "the first documents")
                done = done_before[block.file] + block.position
                bar.update(max(0, done - bar.n))
                if writer.num_tokens >= options["shard_tokens"]:
                    self._commit(writer, current, following)
            self._left_out += sieve.rest
            if writer is not None and writer.num_tokens:
                self._commit(writer, current, [len(sizes), 0])
            elif self._left_out.any():
                self._save([len(sizes), 0])

    def _commit(self, writer, number, following):
        """Closes a shard; the next begins with the block `following`."""
        shards = writer.commit(self._state["numbers"])
        name = self._corpora[number].name
        if name is not None:
            shards = [{**shard, "corpus": name} for shard in shards]
        self._state["shards"] += shards
        self._state["numbers"] += 1
        self._save(following)

    def _save(self, following):
        left_out = self._left_out + self._state["left_out"]
        self._state["left_out"] = left_out.tolist()
        self._left_out[:] = 0
        self._state["next"] = following
        storage.save_json(self._output, storage.PROGRESS, self._state)
