"""Kernels on JAX. XLA fuses the plain formulas by itself."""

import jax

from keras_rtd.keras_internals import in_stateless_scope

recomputed = jax.checkpoint
traced = jax.jit
# A training step is traced in a stateless scope.
shares_traces = in_stateless_scope
