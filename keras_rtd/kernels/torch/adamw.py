"""AdamW's update on PyTorch: one fused kernel for all weights.

One pass over weights, gradients and moments, where the formula in Keras's
operations takes ten. XLA fuses that formula by itself. TensorFlow's
`ResourceApplyAdam` would not do: 1 - beta_2 is float32 in it, wrong by 1e-5.
"""

import torch

# PyTorch's kernel always applies Adam's own bias correction: 1 by this step.
NEVER_CORRECT = 1e9


def adamw(optimizer, gradients, variables, learning_rate):
    """As `base.adamw`."""
    rate, generator_rate, correction = optimizer.rates(learning_rate)
    groups: dict[tuple, list] = {}
    for gradient, variable in zip(gradients, variables):
        key = (
            optimizer.is_generator(variable),
            optimizer.decays(variable),
            optimizer.rate_factor(variable),
        )
        groups.setdefault(key, []).append((gradient, variable))
    for (is_generator, decays, factor), members in groups.items():
        chosen = (generator_rate if is_generator else rate) * factor
        weights = [v.value.detach() for _, v in members]
        momentums, velocities = zip(*(optimizer.moments(v) for _, v in members))
        if decays and optimizer.decay_rate:
            torch._foreach_mul_(weights, 1.0 - chosen * optimizer.decay_rate)
        step = torch.full((), NEVER_CORRECT, device=weights[0].device)
        torch._fused_adamw_(
            weights,
            [g.to(w.dtype) for (g, _), w in zip(members, weights)],
            [m.value for m in momentums],
            [v.value for v in velocities],
            [],
            [step] * len(members),
            lr=chosen * correction,
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            weight_decay=0.0,
            eps=optimizer.epsilon,
            amsgrad=False,
            maximize=False,
        )
