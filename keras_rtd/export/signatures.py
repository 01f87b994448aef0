"""What the SavedModel of each kind of preset offers."""

import keras
import tensorflow as tf

from keras_rtd import tokenizers
from keras_rtd.export.graph_packing import pack
from keras_rtd.export.graph_packing import pack_pairs
from keras_rtd.export.graph_packing import pack_texts
from keras_rtd.export.graph_windows import make_windows
from keras_rtd.export.graph_windows import shows_most
from keras_rtd.models import ElectraQuestionAnswerer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.models import ElectraTokenClassifier
from keras_rtd.models import RtdBackbone


def strings(name):
    """The spec of a string (batch,) input."""
    return tf.TensorSpec((None,), tf.string, name=name)


IDS = [
    tf.TensorSpec((None, None), tf.int32, name=name)
    for name in ("token_ids", "segment_ids", "padding_mask")
]


def of_ids(result):
    """A signature that gives `result` of a batch of ids."""

    def serve(token_ids, segment_ids, padding_mask):
        return result(
            {
                "token_ids": token_ids,
                "segment_ids": segment_ids,
                "padding_mask": padding_mask,
            }
        )

    return serve, IDS


def of_texts(tokenizer, room, result):
    """A signature that gives `result` of a batch of texts.

    A kind that no graph computes has ids in their place.
    """
    if not tokenizer.runs_in_graph:
        return of_ids(result)

    def serve(texts):
        return result(pack_texts(tokenizer, texts, room))

    return serve, [strings("texts")]


def detector(preset):
    """Of a pretrainer: `serve`, `serve_ids` and `encode`."""
    model = ElectraReplacedTokenDetector.from_preset(preset, dtype="float32")
    tokenizer = model.preprocessor.tokenizer
    room = model.backbone.max_sequence_length
    vocabulary = tf.constant(tokenizer.get_vocabulary())

    def probability(batch):
        logits = model(batch, training=False)["discriminator_logits"]
        real = tf.cast(batch["padding_mask"], "float32")
        return {"replaced_probability": tf.sigmoid(logits) * real}

    def result(batch):
        real = tf.cast(batch["padding_mask"], "bool")
        tokens = tf.where(real, tf.gather(vocabulary, batch["token_ids"]), "")
        return {"tokens": tokens, **probability(batch)}

    return model, {
        "serve": of_texts(tokenizer, room, result),
        "serve_ids": of_ids(probability),
        **encoding(model.backbone, tokenizer),
    }


def encoder(preset):
    """Of a bare encoder: `encode`."""
    backbone = RtdBackbone.from_preset(preset, dtype="float32")
    tokenizer = tokenizers.load(preset)
    return backbone, encoding(backbone, tokenizer)


def encoding(backbone, tokenizer):
    """The signature `encode`."""

    def result(batch):
        outputs = backbone(batch, training=False)
        return {
            "token_embeddings": tf.cast(outputs["sequence_output"], "float32"),
            "cls_embedding": tf.cast(outputs["pooled_output"], "float32"),
        }

    room = backbone.max_sequence_length
    return {"encode": of_texts(tokenizer, room, result)}


def text_classifier(preset):
    """Of a text classifier: `serve` and, for two texts, `serve_pairs`."""
    model = ElectraTextClassifier.from_preset(preset, dtype="float32")
    tokenizer = model.preprocessor.tokenizer
    room = model.preprocessor.sequence_length
    names = model.class_names or [str(i) for i in range(model.num_classes)]
    names = tf.constant(names)

    def result(batch):
        outputs = model(batch, training=False)
        if model.num_classes == 1:
            return {"scores": outputs[:, 0]}
        if model.activation is not keras.activations.softmax:
            outputs = tf.nn.softmax(outputs)
        best = tf.gather(names, tf.argmax(outputs, axis=-1))
        return {"classes": best, "probabilities": outputs}

    def serve_pairs(first, second):
        return result(pack_pairs(tokenizer, first, second, room))

    endpoints = {
        "serve": of_texts(tokenizer, room, result),
        **encoding(model.backbone, tokenizer),
    }
    if tokenizer.runs_in_graph:
        pair = [strings("first"), strings("second")]
        endpoints["serve_pairs"] = (serve_pairs, pair)
    return model, endpoints


def token_classifier(preset):
    """Of a token classifier: `serve`."""
    model = ElectraTokenClassifier.from_preset(preset, dtype="float32")
    tokenizer = model.preprocessor.tokenizer
    room = model.preprocessor.sequence_length - 2
    names = tf.constant(model.class_names)

    def of_tokens(batch):
        probabilities = tf.nn.softmax(model(batch, training=False))
        return {
            "classes": tf.gather(names, tf.argmax(probabilities, axis=-1)),
            "probabilities": tf.reduce_max(probabilities, axis=-1),
        }

    def serve(texts):
        words = tf.strings.split(texts)
        pieces = tokenizer.tokenize(words)
        # A word of nothing but what the normaliser drops.
        empty = tf.equal(pieces.values.row_lengths(), 0)[:, None]
        unknown = tf.RaggedTensor.from_tensor(
            tf.fill((tf.size(empty), 1), tokenizer.empty_word_id)
        )
        flat = tf.concat(
            [pieces.values, tf.ragged.boolean_mask(unknown, empty)], axis=1
        )
        pieces = pieces.with_values(flat)
        sizes = words.with_values(flat.row_lengths()).to_tensor()
        starts = 1 + tf.cumsum(sizes, axis=1, exclusive=True)
        batch = pack(tokenizer, [pieces.merge_dims(1, 2)[:, :room]])
        probabilities = tf.nn.softmax(model(batch, training=False))
        last = tf.cast(tf.shape(probabilities)[1] - 1, starts.dtype)
        at = tf.gather(
            probabilities, tf.minimum(starts, last), batch_dims=1, axis=1
        )
        found = (sizes > 0) & (starts <= room)
        best = tf.gather(names, tf.argmax(at, axis=-1))
        return {
            "words": words.to_tensor(""),
            "classes": tf.where(found, best, ""),
            "probabilities": tf.where(found, tf.reduce_max(at, axis=-1), 0.0),
        }

    endpoint = of_ids(of_tokens)
    if tokenizer.runs_in_graph:
        endpoint = (serve, [strings("texts")])
    return model, {"serve": endpoint, **encoding(model.backbone, tokenizer)}


def question_answerer(preset):
    """Of a question answerer: `serve`."""
    model = ElectraQuestionAnswerer.from_preset(preset, dtype="float32")
    preprocessor = model.preprocessor
    pieces = tf.constant(preprocessor.tokenizer.piece_texts)

    def serve(question, context):
        # The beam wants as many positions.
        windows = make_windows(
            preprocessor, question, context, least=model.num_best
        )
        outputs = model(windows.batch, training=False)
        found = _best_span(windows, outputs, model.max_answer_length)
        row, start, stop, score = _best_window(windows, found)
        tokens = tf.gather(pieces, tf.gather(windows.batch["token_ids"], row))
        places = tf.range(tf.shape(tokens)[1])[None]
        inside = (places >= start[:, None]) & (places <= stop[:, None])
        text = tf.strings.reduce_join(
            tf.ragged.boolean_mask(tokens, inside), axis=1
        )
        before = tf.gather(windows.begin - windows.passage, row)
        result = {
            "answers": tf.strings.regex_replace(text, "^ ", ""),
            "scores": score,
            "starts": start + before,
            "ends": stop + before,
        }
        if model.no_answer:
            result["no_answer_probabilities"] = tf.sigmoid(
                tf.math.segment_min(
                    outputs["no_answer_logits"], windows.example
                )
            )
        return result

    endpoint = of_ids(lambda batch: model(batch, training=False))
    if preprocessor.tokenizer.runs_in_graph:
        endpoint = (serve, [strings("question"), strings("context")])
    return model, {
        "serve": endpoint,
        **encoding(model.backbone, preprocessor.tokenizer),
    }


def _best_span(windows, outputs, max_answer_length):
    """(first, last, log-probability) of the best span of each row; minus
    infinity where it has none."""
    passage = tf.cast(windows.batch["segment_ids"], tf.int32)
    # Its [SEP] is counted with it.
    end = (windows.passage + tf.reduce_sum(passage, axis=1) - 1)[:, None, None]
    starts, ends = outputs["starts"], outputs["ends"]
    token = starts + (windows.begin - windows.passage)[:, None]
    shown = starts >= windows.passage[:, None]
    fits = (shown & shows_most(windows, token))[:, :, None] & (ends < end)
    starts = starts[:, :, None]
    fits &= (ends >= starts) & (ends - starts < max_answer_length)
    scores = outputs["start_scores"][:, :, None] + outputs["end_scores"]
    scores = tf.where(fits, scores, -float("inf"))
    rows, beam = tf.shape(scores)[0], tf.shape(scores)[2]
    flat = tf.reshape(scores, (rows, -1))
    best = tf.argmax(flat, axis=1, output_type=tf.int32)
    return (
        tf.gather(outputs["starts"], best // beam, batch_dims=1),
        tf.gather(tf.reshape(ends, (rows, -1)), best, batch_dims=1),
        tf.gather(flat, best, batch_dims=1),
    )


def _best_window(windows, found):
    """(row, first, last, probability) of each question's best span; an empty
    one before the context's first token where it has none."""
    first, last, score = found
    best = tf.math.segment_max(score, windows.example)
    rows = tf.range(tf.size(score))
    is_best = score == tf.gather(best, windows.example)
    row = tf.math.segment_min(
        tf.where(is_best, rows, tf.size(score)), windows.example
    )
    none = tf.math.is_inf(best)
    passage = tf.gather(windows.passage, row)
    return (
        row,
        tf.where(none, passage, tf.gather(first, row)),
        tf.where(none, passage - 1, tf.gather(last, row)),
        tf.exp(best),
    )


# Registered name of a preset's task -> function of the preset that returns
# the model and its signatures: name -> (function, specs of its arguments).
BY_TASK = {
    "keras_rtd>ElectraPretrainer": detector,
    "keras_rtd>ElectraReplacedTokenDetector": detector,
    "keras_rtd>ElectraTextClassifier": text_classifier,
    "keras_rtd>ElectraTokenClassifier": token_classifier,
    "keras_rtd>ElectraQuestionAnswerer": question_answerer,
}
