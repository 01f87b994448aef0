"""Copying weights between encoders, and between pretrainers."""

import warnings

from keras import ops


def with_plain_embeddings(backbone):
    """The encoder itself, or a copy with embeddings that need no base."""
    if backbone.embeddings.base() is None:
        return backbone
    return copied(backbone)


def copied(encoder, **changes):
    """A copy of an encoder, with embeddings of its own.

    Args:
        encoder: the encoder.
        **changes: arguments of its class, e.g. `name`.
    """
    copy = type(encoder).from_config({**encoder.get_config(), **changes})
    copy_own_weights(encoder, copy)
    copy_embeddings(encoder.embeddings, copy.embeddings)
    return copy


def copy_embeddings(source, target):
    """What one `ElectraEmbedding` computes, to another, whatever its base."""
    target.assign_tables([ops.convert_to_numpy(t) for t in source.tables()])
    target.layer_norm.set_weights(source.layer_norm.get_weights())


def own_weights(layer):
    """The variables of an encoder, generator or head but for embeddings."""
    embeddings = getattr(layer, "embeddings", None)
    shared = {id(v) for v in embeddings.weights} if embeddings else ()
    return [v for v in layer.weights if id(v) not in shared]


def copy_own_weights(source, target):
    """Weights of one encoder, generator or head to another, but for
    embeddings.

    Returns:
        bool. Whether they fit; nothing is copied otherwise.
    """
    if type(source) is not type(target):
        return False
    old, new = own_weights(source), own_weights(target)
    fits = [tuple(v.shape) for v in old] == [tuple(v.shape) for v in new]
    if fits:
        for theirs, ours in zip(old, new):
            ours.assign(theirs)
    return fits


def copy_common_weights(source, target):
    """Weights of what two pretrainers share that differ in objective or in
    the sharing of embeddings.

    Warns of models of `target` that stay randomly initialised.
    """
    generators = [m.generator or m.backbone for m in (source, target)]
    copy_embeddings(*(g.embeddings for g in generators))
    copy_embeddings(source.backbone.embeddings, target.backbone.embeddings)
    fresh = []
    for name in ("backbone", "generator", *target.head_names):
        ours, theirs = getattr(target, name), getattr(source, name, None)
        if ours is not None and not copy_own_weights(theirs, ours):
            fresh.append(name)
    if fresh:
        warnings.warn(
            f"The preset was trained with the objective "
            f"{source.objective.name!r}: for {target.objective.name!r} these "
            f"models start from fresh weights: {', '.join(fresh)}.",
            stacklevel=4,
        )
