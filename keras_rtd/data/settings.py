"""Settings of what a run reads."""

import dataclasses

from keras_rtd.data.windows import SEGMENTS
from keras_rtd.utils.setting import Settings
from keras_rtd.utils.setting import setting


@dataclasses.dataclass(frozen=True)
class DataSettings(Settings):
    """The corpus, and how its text becomes rows with masks."""

    data: tuple[str, ...] = setting(
        (),
        "Text files, globs, folders, or one prepared directory; or several of "
        "these with weights, NAME=PATH:WEIGHT.",
        nargs="+",
        none="none, it is needed",
    )
    sequence_length: int = setting(
        128, "Tokens per row.", preset=True, at_least=8, at_most=1 << 20
    )
    segments: str = setting(
        "pair",
        "pair: two segments per row. single: one segment per row.",
        choices=SEGMENTS,
    )
    packing: bool = setting(
        False,
        "Several documents per row, without padding; attention stays within a "
        "document.",
    )
    mask_rate: float = setting(
        0.15,
        "Share of the tokens that are masked, between 0 and 1.",
        preset=True,
        above=0,
        below=1,
    )
    mask_windows: bool = setting(
        False,
        "Choose masked positions as microsoft/DeBERTa does, one of each window "
        "of int(1 / mask_rate) tokens; the end of a full row is never masked.",
    )
    documents: str = setting(
        "blank_line",
        "What separates documents in text files.",
        choices=("blank_line", "line"),
    )
    text_field: str = setting(
        "text", "Field or column of records with the text."
    )
    encoding: str | None = setting(
        None,
        "Encoding of text files without a byte order mark.",
        none="UTF-8",
    )
    skip_bad: bool = setting(
        False, "Skip and count records without text, instead of stopping."
    )
    errors: str = setting(
        "strict",
        "Bytes that are not UTF-8: strict stops with an error, replace "
        "puts a replacement character there.",
        choices=("strict", "replace"),
    )
    validation_fraction: float = setting(
        0.01,
        "Share of the documents held out, of text files. Prepared data has "
        "its own.",
        above=0,
        below=1,
    )
    replacements: str | None = setting(
        None,
        "Folder of sampled tokens, as keras_rtd.pretraining."
        "draw_replacements writes it for --frozen_generator.",
        none="none, tokens are sampled during training",
    )

    def reading(self):
        """How text is read: arguments of `pretraining_dataset`."""
        return {
            "documents": self.documents,
            "text_field": self.text_field,
            "errors": self.errors,
            "encoding": self.encoding,
            "skip_bad": self.skip_bad,
            "validation_fraction": self.validation_fraction,
        }
