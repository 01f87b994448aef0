"""AdamW's update on TensorFlow: small weights of one shape together.

A model has hundreds of biases and norms, and a dozen operations for each of
them are half of the graph: time to the first step, and to schedule every
step. Stacked, a dozen serve all of one shape; the numbers are the same.
"""

import math

import tensorflow as tf

# Stacking copies: only what is small.
SMALL = 1 << 15


def adamw(optimizer, gradients, variables, learning_rate):
    """As `base.adamw`."""
    rates = optimizer.rates(learning_rate)
    groups: dict[tuple, list] = {}
    for number, (gradient, variable) in enumerate(zip(gradients, variables)):
        key = (
            optimizer.is_generator(variable),
            optimizer.decays(variable),
            optimizer.rate_factor(variable),
            tuple(variable.shape),
            variable.dtype,
            None if math.prod(variable.shape) <= SMALL else number,
        )
        groups.setdefault(key, []).append((gradient, variable))
    for (is_generator, decays, factor, *_), members in groups.items():
        kind = is_generator, decays, factor
        _update_group(optimizer, members, rates, kind)


def _update_group(optimizer, members, rates, kind):
    gradients, variables = zip(*members)
    momentums, velocities = zip(*(optimizer.moments(v) for v in variables))
    if len(members) > 1:
        w, m, v = (
            tf.stack([x.value for x in part])
            for part in (variables, momentums, velocities)
        )
        new = optimizer.formula(tf.stack(gradients), w, m, v, rates, *kind)
        new = [tf.unstack(part) for part in new]
    else:
        new = optimizer.formula(
            gradients[0],
            variables[0].value,
            momentums[0].value,
            velocities[0].value,
            rates,
            *kind,
        )
        new = [[part] for part in new]
    for targets, values in zip((variables, momentums, velocities), new):
        for target, value in zip(targets, values):
            target.assign(value)
