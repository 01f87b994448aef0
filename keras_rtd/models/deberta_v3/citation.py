"""What a model card of this family cites beside ELECTRA."""

CITATION = """\
@inproceedings{he2023debertav3,
  title = {{DeBERTaV3}: Improving {DeBERTa} using {ELECTRA}-Style Pre-Training
    with Gradient-Disentangled Embedding Sharing},
  author = {He, Pengcheng and Gao, Jianfeng and Chen, Weizhu},
  booktitle = {International Conference on Learning Representations},
  year = {2023},
  url = {https://arxiv.org/abs/2111.09543}
}"""
