"""One training step of each implementation, on the same batches.

Every module has `make(case, batches)`: it builds the model and returns a
function that trains one step on batch number i and waits for it.
"""
