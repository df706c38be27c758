"""A Qwen2 decoder for training, with the module names of Hugging Face's so that its state dict is a checkpoint."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MASKED = -1e4


@dataclass(frozen=True)
class DecoderConfig:
    vocab_size: int = 480
    hidden_size: int = 256
    intermediate_size: int = 768
    num_hidden_layers: int = 6
    num_attention_heads: int = 8
    num_key_value_heads: int = 4
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    max_position_embeddings: int = 2048

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class Linear(nn.Linear):
    """A linear layer that can carry a LoRA pair: W + B·A, no scaling (VoRA `models/lora.py`).

    The sum is formed before the product: with r near the hidden size this costs less than two
    more products per token, and the gradients are the same.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias)
        self.lora_A: nn.Linear | None = None
        self.lora_B: nn.Linear | None = None

    def add_lora(self, rank: int) -> None:
        self.lora_A = nn.Linear(self.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, self.out_features, bias=False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=5**0.5)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight
        if self.lora_A is not None and self.lora_B is not None:
            weight = weight + self.lora_B.weight @ self.lora_A.weight
        return F.linear(input, weight, self.bias)


class Attention(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        hidden, kv = config.hidden_size, config.num_key_value_heads * config.head_dim
        self.heads, self.groups, self.head_dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        self.q_proj = Linear(hidden, hidden)
        self.k_proj = Linear(hidden, kv)
        self.v_proj = Linear(hidden, kv)
        self.o_proj = Linear(hidden, hidden, bias=False)

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x [B,L,H]; mask [B,1,L,L] added to the scores; cos, sin [B,1,L,head_dim]."""
        batch, length, _ = x.shape
        q = rotate(self.q_proj(x).view(batch, length, self.heads, self.head_dim).transpose(1, 2), cos, sin)
        k = rotate(self.k_proj(x).view(batch, length, self.groups, self.head_dim).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(batch, length, self.groups, self.head_dim).transpose(1, 2)
        k, v = (x.repeat_interleave(self.heads // self.groups, dim=1) for x in (k, v))
        # Spelled out: on CPUs the fused kernel takes twice as long when there is a mask.
        scores = (q @ k.transpose(-1, -2)) * self.head_dim**-0.5 + mask
        mixed = scores.float().softmax(-1).to(v.dtype) @ v
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1))
        return out


class Mlp(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = Mlp(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), mask, cos, sin)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Trunk(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class Decoder(nn.Module):
    """Qwen2ForCausalLM, untied."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                deep = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(parameter, std=0.02 / ((2 * config.num_hidden_layers) ** 0.5 if deep else 1))
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        look_back(self.model.layers[0], config)

    def forward(self, embeddings: Tensor, mask: Tensor, position: Tensor, depth: int | None = None) -> list[Tensor]:
        """Hidden states [B,L,H]: the input, after each block; the last one normalised for `lm_head`.

        mask: bool [B,L,L], true where row may attend to column. position: i64 [B,L].
        With `depth`, only that many blocks run and nothing is normalised.
        """
        bias = torch.where(mask, 0.0, MASKED)[:, None]
        cos, sin = rotary(position, self.config)
        states = [embeddings]
        for layer in list(self.model.layers)[:depth]:
            states.append(layer(states[-1], bias, cos, sin))
        return states if depth else [*states[:-1], self.model.norm(states[-1])]

    def compile_layers(self) -> None:
        """`torch.compile` each block: one graph for all of them, where the whole model would take a minute.

        A graph per shape: a stage has one or two of them, and a graph for any shape is slower.
        """
        for layer in self.model.layers:
            layer.compile(dynamic=False)

    def add_lora(self, rank: int, layers: int) -> None:
        """Freeze everything, then add trainable pairs to the seven linears of the first `layers` blocks."""
        self.requires_grad_(False)
        for layer in list(self.model.layers)[:layers]:
            for module in layer.modules():
                if isinstance(module, Linear):
                    module.add_lora(rank)


LOOK_BACK = (1, 2, 3, 8)
LOOK_BACK_PAIRS, LOOK_BACK_GAIN = 5, 6.0


@torch.no_grad()
def look_back(layer: nn.Module, config: DecoderConfig) -> None:
    """Start the heads of one block as "what stood 1, 2, 3, 8 places before" (8 cells are one row of a map).

    Copying needs such heads and is slow to find them. Qwen2 has biases on queries and keys, and RoPE
    turns them by position: a query bias turned back by n places against a key bias scores highest n places
    before. Only the fastest frequencies take part, the others do not tell neighbours apart.
    """
    attention = layer.self_attn
    assert isinstance(attention, Attention)
    half = config.head_dim // 2
    pairs = torch.arange(min(LOOK_BACK_PAIRS, half))
    angle = config.rope_theta ** -(2.0 * pairs / config.head_dim)
    key = attention.k_proj.bias.view(attention.groups, config.head_dim)
    key[:, pairs] = LOOK_BACK_GAIN
    query = attention.q_proj.bias.view(attention.heads, config.head_dim)
    for head, places in enumerate(LOOK_BACK[: attention.heads]):
        query[head, pairs] = LOOK_BACK_GAIN * torch.cos(places * angle)
        query[head, pairs + half] = -LOOK_BACK_GAIN * torch.sin(places * angle)


def rotary(position: Tensor, config: DecoderConfig) -> tuple[Tensor, Tensor]:
    """cos and sin [B,1,L,head_dim], halves repeated (NeoX order)."""
    half = torch.arange(0, config.head_dim, 2, device=position.device, dtype=torch.float32) / config.head_dim
    angles = position[:, None, :, None].float() * config.rope_theta**-half
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
