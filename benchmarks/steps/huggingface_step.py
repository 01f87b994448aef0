"""Hugging Face's generator and discriminator, trained with PyTorch."""

import torch
import torch.nn.functional as F
from transformers import ElectraConfig
from transformers import ElectraForMaskedLM
from transformers import ElectraForPreTraining

DISCRIMINATOR_WEIGHT = 50.0


def make(case, batches):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = case.size
    discriminator = ElectraForPreTraining(_config(size.backbone)).to(device)
    generator = ElectraForMaskedLM(_config(size.generator)).to(device)
    # Shared embeddings, as the paper has them.
    generator.electra.embeddings = discriminator.electra.embeddings
    table = discriminator.electra.embeddings.word_embeddings.weight
    generator.generator_lm_head.weight = table
    models = torch.nn.ModuleList([discriminator, generator])
    parameters = list({id(p): p for p in models.parameters()}.values())
    optimizer = torch.optim.AdamW(parameters, lr=5e-4)
    full_head = "full_head" in case.variant

    def losses(ids, masked, positions, attention):
        hidden = generator.electra(masked, attention_mask=attention)[0]
        index = positions[..., None]
        if not full_head:
            hidden = hidden.gather(1, index.expand(-1, -1, hidden.shape[-1]))
        logits = generator.generator_lm_head(
            generator.generator_predictions(hidden)
        )
        if full_head:
            # What `ElectraForMaskedLM` computes: every position.
            logits = logits.gather(1, index.expand(-1, -1, logits.shape[-1]))
        logits = logits.float()
        labels = ids.gather(1, positions)
        nll = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        with torch.no_grad():
            noise = -torch.log(
                -torch.log(torch.rand_like(logits) + 1e-9) + 1e-9
            )
            sampled = (logits + noise).argmax(-1)
            corrupted = ids.scatter(1, positions, sampled)
        detected = discriminator(corrupted, attention_mask=attention).logits
        return nll + DISCRIMINATOR_WEIGHT * (
            F.binary_cross_entropy_with_logits(
                detected.float(), (corrupted != ids).float()
            )
        )

    if "compile" in case.variant:
        losses = torch.compile(losses)
    data = [
        tuple(
            torch.tensor(batch[name], dtype=torch.int64, device=device)
            for name in (
                "token_ids",
                "masked_token_ids",
                "mask_positions",
                "padding_mask",
            )
        )
        for batch in batches
    ]

    def step(i):
        with torch.autocast(
            device, torch.bfloat16, enabled=case.dtype == "bfloat16"
        ):
            loss = losses(*data[i % len(data)])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss.item()

    return step


def _config(encoder):
    return ElectraConfig(
        vocab_size=encoder.vocabulary_size,
        embedding_size=encoder.embedding_dim,
        hidden_size=encoder.hidden_dim,
        intermediate_size=encoder.intermediate_dim,
        num_hidden_layers=encoder.num_layers,
        num_attention_heads=encoder.num_heads,
        max_position_embeddings=encoder.max_sequence_length,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
