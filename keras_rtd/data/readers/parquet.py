"""Parquet: a row is a document, one of its columns the text."""

from keras_rtd.data.readers.protocol import package
from keras_rtd.data.readers.records import check_field
from keras_rtd.data.readers.records import pieces

SUFFIXES = (".parquet", ".pq", ".parq")
MAGIC = (b"PAR1",)
_ROWS = 1024


def read(source, reading, first):
    """Yields the blocks of a Parquet file; see `readers.Format`."""
    parquet = package(source.path, "pyarrow.parquet", "pyarrow")
    pyarrow = package(source.path, "pyarrow", "pyarrow")
    try:
        file = parquet.ParquetFile(source.random_access())
        check_field(source.path, file.schema_arrow.names, reading.text_field)
        batches = file.iter_batches(_ROWS, columns=[reading.text_field])
        yield from pieces(rows(batches), reading, source.path, first)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(
            f"{source.path} cannot be read as Parquet: {error}"
        ) from error


def rows(batches):
    """Yields (which record, its text) of batches of one column."""
    number = 0
    for batch in batches:
        for value in batch.column(0).to_pylist():
            number += 1
            yield f"row {number}", value
