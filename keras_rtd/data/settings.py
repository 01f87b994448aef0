"""Settings of what a run reads."""

import dataclasses

from keras_rtd.data.windows import SEGMENTS
from keras_rtd.utils.setting import check_settings
from keras_rtd.utils.setting import setting


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """The corpus, and how its text becomes rows with masks.

    Raises:
        SettingError: a value out of range.
    """

    data: tuple[str, ...] = setting(
        (),
        "Text files, globs, folders, or one prepared directory.",
        nargs="+",
        none="none, it is needed",
    )
    sequence_length: int = setting(
        128, "Tokens per row.", preset=True, at_least=8
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
    documents: str = setting(
        "blank_line",
        "What separates documents in text files.",
        choices=("blank_line", "line"),
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

    def __post_init__(self):
        check_settings(self)
