"""What a model card of this family cites beside ELECTRA."""

CITATION = """\
@misc{warner2024modernbert,
  title = {Smarter, Better, Faster, Longer: A Modern Bidirectional Encoder for
    Fast, Memory Efficient, and Long Context Finetuning and Inference},
  author = {Warner, Benjamin and Chaffin, Antoine and Clavi{\\'e}, Benjamin and
    others},
  year = {2024},
  eprint = {2412.13663},
  archivePrefix = {arXiv},
  url = {https://arxiv.org/abs/2412.13663}
}"""
