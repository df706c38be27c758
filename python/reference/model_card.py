"""Model card of models/vora-random."""

MODEL_CARD = """\
---
license: apache-2.0
pipeline_tag: image-text-to-text
---

# vora-random

**The words of this model are random.** Its weights are drawn from a seeded generator and were never trained: it
describes nothing, reads nothing and knows nothing. It exists so that every tool has a small checkpoint in VoRA's
published layout to run on, and so that tests can compare numbers exactly.

- Layout: VoRA (arXiv 2503.20680): `llm.*` with `lora_A`/`lora_B` on the first three layers, `vision_embedding.*`; bf16,
  sharded.
- Language model: Qwen2 shapes: hidden 128, 4 layers, 4 heads, 2 key/value heads, ffn 256, 832 rows for 800 tokens,
  untied.
- Vision: 112 × 112 pixels, patch 14, 64 positions, D = 640, bidirectional image mask, LoRA rank 16.
- Tokenizer: byte-level BPE with Qwen2's split and special tokens, trained on sentences of a small grammar.

Regenerate it, bit for bit, with `python -m reference` in `python/`.
"""
