"""Names for types that stand in many public signatures."""

import os
from typing import Any
from typing import TypeAlias

Path: TypeAlias = str | os.PathLike[str]

# A tensor of the backend in use, eager, traced or symbolic. The backends share
# no class for it.
Tensor: TypeAlias = Any

# Tensors or arrays by name, see `ElectraPretrainer`.
Batch: TypeAlias = dict[str, Any]

# A `tf.data.Dataset`, or a `keras.utils.PyDataset` where there is no
# TensorFlow: the package does not import it for its types.
Dataset: TypeAlias = Any
