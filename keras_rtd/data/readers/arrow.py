"""Arrow, as a file (Feather) or a stream (Hugging Face `datasets`): a row is a
document, one of its columns the text."""

from keras_rtd.data.readers.parquet import rows
from keras_rtd.data.readers.protocol import package
from keras_rtd.data.readers.records import check_field
from keras_rtd.data.readers.records import pieces

SUFFIXES = (".arrow", ".feather", ".ipc")
_FILE = b"ARROW1"
# A stream begins with a message: a mark, then its length.
MAGIC = (_FILE, b"\xff\xff\xff\xff")


def read(source, reading, first):
    """Yields the blocks of an Arrow file; see `readers.Format`."""
    pyarrow = package(source.path, "pyarrow", "pyarrow")
    is_file = source.head.startswith(_FILE)
    try:
        if is_file:
            reader = pyarrow.ipc.open_file(source.random_access())
            batches = map(reader.get_batch, range(reader.num_record_batches))
        else:
            batches = reader = pyarrow.ipc.open_stream(source.random_access())
        check_field(source.path, reader.schema.names, reading.text_field)
        columns = (batch.select([reading.text_field]) for batch in batches)
        yield from pieces(rows(columns), reading, source.path, first)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(
            f"{source.path} cannot be read as Arrow: {error}"
        ) from error
