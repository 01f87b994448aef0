"""TensorBoard scalars and texts, without TensorFlow."""

import time

from tensorboard.compat.proto import event_pb2
from tensorboard.compat.proto import summary_pb2
from tensorboard.compat.proto import tensor_pb2
from tensorboard.compat.proto import types_pb2
from tensorboard.plugins.text import plugin_data_pb2
from tensorboard.summary.writer import event_file_writer


class TensorBoardWriter:
    """Writes event files that TensorBoard shows under SCALARS and TEXT.

    Args:
        directory: string. The log directory.
        start_step: int. What was logged at or after this step by a killed
            process is dropped by TensorBoard. Defaults to 0.
    """

    def __init__(self, directory, start_step=0):
        self._writer = event_file_writer.EventFileWriter(str(directory))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._add(start_step + 1, session_log=start)

    def scalars(self, step, values):
        """Add a dict of numbers."""
        summary = summary_pb2.Summary(
            value=[
                summary_pb2.Summary.Value(tag=tag, simple_value=float(value))
                for tag, value in values.items()
            ]
        )
        self._add(step, summary=summary)

    def text(self, step, tag, markdown):
        """Add a text in Markdown."""
        plugin = summary_pb2.SummaryMetadata.PluginData(
            plugin_name="text",
            content=plugin_data_pb2.TextPluginData(
                version=0
            ).SerializeToString(),
        )
        tensor = tensor_pb2.TensorProto(
            dtype=types_pb2.DT_STRING, string_val=[markdown.encode("utf-8")]
        )
        value = summary_pb2.Summary.Value(
            tag=tag,
            metadata=summary_pb2.SummaryMetadata(plugin_data=plugin),
            tensor=tensor,
        )
        self._add(step, summary=summary_pb2.Summary(value=[value]))

    def flush(self):
        """Make what was added visible."""
        self._writer.flush()

    def close(self):
        """End the event file."""
        self._writer.close()

    def _add(self, step, **content):
        event = event_pb2.Event(wall_time=time.time(), step=step, **content)
        self._writer.add_event(event)
