"""ELECTRA: BERT's layers."""
