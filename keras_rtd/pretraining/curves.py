"""Key figures and curves of a report: which, and what they mean."""

import html

from keras_rtd.pretraining.line_chart import Series
from keras_rtd.pretraining.line_chart import format_value
from keras_rtd.pretraining.line_chart import line_chart

FIGURES = {
    "probe_auc": "Probe AUC",
    "probe_average_precision": "Probe average precision",
    "val_masked_lm_loss": "Masked LM loss",
    "val_generator_loss": "Generator loss",
    "val_generator_accuracy": "Generator accuracy",
    "val_discriminator_auc": "Discriminator AUC",
    "val_replaced_rate": "Share replaced",
}


def _both(metric):
    """The lines of a metric on held-out and on training data."""
    return (
        ("held-out", f"val_{metric}", "held"),
        ("training", metric, "train"),
    )


# (title, note, lines); a line is (label, metric, CSS class).
CHARTS = (
    (
        "Probe",
        "Held-out text in which 15% of the tokens are samples from the "
        "corpus's word frequencies, the same for every evaluation. These are "
        "the figures to compare runs by. A guess has an AUC of 0.5, and an "
        "average precision of the share replaced.",
        (
            ("AUC", "probe_auc", "held"),
            ("average precision", "probe_average_precision", "second"),
        ),
    ),
    (
        "Generator loss",
        "Mean negative log-likelihood of the masked tokens, in nats.",
        _both("generator_loss"),
    ),
    (
        "Masked LM loss",
        "Mean negative log-likelihood that the encoder itself gives the "
        "masked tokens, in nats.",
        _both("masked_lm_loss"),
    ),
    (
        "Discriminator AUC",
        "On the generator's own replacements. It falls as the generator "
        "learns: early replacements are random words and easy to spot, later "
        "ones fit the sentence. So it shows the contest, not the progress.",
        _both("discriminator_auc"),
    ),
    (
        "Discriminator loss",
        "Binary cross-entropy of each token, in nats.",
        _both("discriminator_loss"),
    ),
    (
        "Discriminator accuracy",
        "Next to the trivial answer that every token is original.",
        (
            ("held-out", "val_discriminator_accuracy", "held"),
            ("always “original”", "val_always_original", "base"),
        ),
    ),
    (
        "Precision and recall",
        "Of the tokens called replaced, the share that was; of the replaced "
        "tokens, the share that was found. Held-out, at probability 0.5.",
        (
            ("precision", "val_discriminator_precision", "held"),
            ("recall", "val_discriminator_recall", "second"),
        ),
    ),
    (
        "Generator accuracy",
        "Share of masked tokens that the likeliest token, and a sample, get "
        "right. Held-out.",
        (
            ("likeliest", "val_generator_accuracy", "held"),
            ("sampled", "val_sampled_accuracy", "second"),
        ),
    ),
    (
        "Combined loss",
        "The weighted sum of the two that is trained on.",
        _both("loss"),
    ),
    ("Learning rate", "", (("learning rate", "learning_rate", "held"),)),
    ("Tokens per second", "", (("tokens/s", "tokens_per_second", "held"),)),
)


def figures_section(rows):
    """The key figures, newest and first, as HTML.

    Args:
        rows: list of dicts, one an evaluation, by rising `step`.

    Returns:
        string, empty without figures.
    """
    tiles = []
    for metric, label in FIGURES.items():
        points = _points(rows, metric)
        if not points:
            continue
        (first_step, first), (_, last) = points[0], points[-1]
        tile = f'<dt>{label}</dt><dd class="value">{format_value(last)}</dd>'
        if len(points) > 1:
            tile += (
                f'<dd class="from">{format_value(first)} at step '
                f"{first_step:,}</dd>"
            )
        tiles.append(f"<div>{tile}</div>")
    if not tiles:
        return ""
    return (
        f'<dl class="figures">{"".join(tiles)}</dl>'
        '<p class="note">On held-out text, at the last evaluation and, '
        "below, at the first.</p>"
    )


def curves_section(rows):
    """All charts that have data, as HTML.

    Args:
        rows: list of dicts, one an evaluation, by rising `step`.

    Returns:
        string, empty without data.
    """
    charts = []
    for title, note, lines in CHARTS:
        series = [
            Series(label, _points(rows, metric), style)
            for label, metric, style in lines
        ]
        series = [line for line in series if line.points]
        if not series:
            continue
        legend = "".join(
            f'<li><i class="{line.style}"></i>{html.escape(line.label)}</li>'
            for line in series
        )
        charts.append(
            f"<figure><h3>{title}</h3>"
            + (f'<p class="note">{html.escape(note)}</p>' if note else "")
            + (f'<ul class="legend">{legend}</ul>' if len(lines) > 1 else "")
            + line_chart(title, series, "step")
            + "</figure>"
        )
    if not charts:
        return ""
    return f'<h2>Curves</h2><div class="charts">{"".join(charts)}</div>'


def _points(rows, metric):
    return [(row["step"], row[metric]) for row in rows if metric in row]
