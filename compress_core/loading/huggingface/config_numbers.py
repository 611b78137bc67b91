"""The numbers of a config.json that say how large a network is, each within bounds, for a list of types.

Needs neither torch nor transformers: what is read here is read before anything is built.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Width = Annotated[int, Field(ge=1, le=2**15)]
Depth = Annotated[int, Field(ge=1, le=256)]
Heads = Annotated[int, Field(ge=1, le=512)]
Vocabulary = Annotated[int, Field(ge=2, le=2**20)]
WordPlaces = Annotated[int, Field(ge=1, le=2**20)]
Pixels = Annotated[int, Field(ge=1, le=4096)]
Small = Annotated[float, Field(ge=0, le=1)]
Word = Annotated[int, Field(ge=0, le=2**20)]
Activation = Literal[
    "gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "quick_gelu", "relu", "relu6",
    "silu", "swish", "tanh", "sigmoid", "hardswish", "leaky_relu", "mish", "linear",
]  # fmt: skip


class Numbers(BaseModel):
    """What is read of a config.json; what else stands in it is looked at elsewhere."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    pad_token_id: Word | None = None


class Bert(Numbers):
    """BERT, and RoBERTa, which has the same numbers."""

    vocab_size: Vocabulary = 30522
    hidden_size: Width = 768
    num_hidden_layers: Depth = 12
    num_attention_heads: Heads = 12
    intermediate_size: Width = 3072
    hidden_act: Activation = "gelu"
    max_position_embeddings: WordPlaces = 512
    type_vocab_size: Annotated[int, Field(ge=1, le=16)] = 2
    layer_norm_eps: Small = 1e-12
    pad_token_id: Word | None = 0
    tie_word_embeddings: bool = True


class DistilBert(Numbers):
    """DistilBERT."""

    vocab_size: Vocabulary = 30522
    max_position_embeddings: WordPlaces = 512
    sinusoidal_pos_embds: bool = False
    n_layers: Depth = 6
    n_heads: Heads = 12
    dim: Width = 768
    hidden_dim: Width = 3072
    activation: Activation = "gelu"
    pad_token_id: Word | None = 0
    tie_word_embeddings: bool = True


class Gpt2(Numbers):
    """GPT-2."""

    vocab_size: Vocabulary = 50257
    n_positions: WordPlaces = 1024
    n_embd: Width = 768
    n_layer: Depth = 12
    n_head: Heads = 12
    n_inner: Width | None = None
    activation_function: Activation = "gelu_new"
    layer_norm_epsilon: Small = 1e-5
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False
    reorder_and_upcast_attn: bool = False
    tie_word_embeddings: bool = True


class Rope(BaseModel):
    """How rotary embeddings turn with the place."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    rope_type: Literal["default", "linear", "llama3"] = "default"
    rope_theta: Annotated[float, Field(gt=0, le=1e12)] | None = None
    factor: Annotated[float, Field(gt=0, le=1e6)] | None = None
    low_freq_factor: Annotated[float, Field(gt=0, le=1e6)] | None = None
    high_freq_factor: Annotated[float, Field(gt=0, le=1e6)] | None = None
    original_max_position_embeddings: WordPlaces | None = None


class Llama(Numbers):
    """Llama and its kin: Mistral and Qwen2 without sliding windows."""

    vocab_size: Vocabulary = 32000
    hidden_size: Width = 4096
    intermediate_size: Annotated[int, Field(ge=1, le=2**17)] = 11008
    num_hidden_layers: Depth = 32
    num_attention_heads: Heads = 32
    num_key_value_heads: Heads | None = None
    head_dim: Annotated[int, Field(ge=2, le=1024)] | None = None
    hidden_act: Activation = "silu"
    max_position_embeddings: WordPlaces = 2048
    rms_norm_eps: Small = 1e-6
    rope_theta: Annotated[float, Field(gt=0, le=1e12)] | None = None
    rope_scaling: Rope | None = None
    rope_parameters: Rope | None = None
    tie_word_embeddings: bool = False


class LlamaItself(Llama):
    """Llama, which says whether its projections have biases."""

    attention_bias: bool = False
    mlp_bias: bool = False


class Mistral(Llama):
    """Mistral."""

    intermediate_size: Annotated[int, Field(ge=1, le=2**17)] = 14336
    sliding_window: WordPlaces | None = 4096


class Qwen2(Llama):
    """Qwen2; a sliding window is no part of what is read."""

    use_sliding_window: Literal[False] = False


class VisionTransformer(Numbers):
    """ViT."""

    hidden_size: Width = 768
    num_hidden_layers: Depth = 12
    num_attention_heads: Heads = 12
    intermediate_size: Width = 3072
    hidden_act: Activation = "gelu"
    layer_norm_eps: Small = 1e-12
    image_size: Pixels = 224
    patch_size: Pixels = 16
    num_channels: Literal[1, 3] = 3
    qkv_bias: bool = True


class ResNet(Numbers):
    """ResNet."""

    num_channels: Literal[1, 3] = 3
    embedding_size: Width = 64
    hidden_sizes: Annotated[list[Width], Field(min_length=1, max_length=8)] = [256, 512, 1024, 2048]
    depths: Annotated[list[Depth], Field(min_length=1, max_length=8)] = [3, 4, 6, 3]
    layer_type: Literal["basic", "bottleneck"] = "bottleneck"
    hidden_act: Activation = "relu"
    downsample_in_first_stage: bool = False
    downsample_in_bottleneck: bool = False


class ConvNext(Numbers):
    """ConvNeXt."""

    num_channels: Literal[1, 3] = 3
    patch_size: Pixels = 4
    num_stages: Annotated[int, Field(ge=1, le=8)] = 4
    hidden_sizes: Annotated[list[Width], Field(min_length=1, max_length=8)] = [96, 192, 384, 768]
    depths: Annotated[list[Depth], Field(min_length=1, max_length=8)] = [3, 3, 9, 3]
    hidden_act: Activation = "gelu"
    layer_norm_eps: Small = 1e-12
    layer_scale_init_value: Small = 1e-6
    image_size: Pixels = 224


class MobileNetV2(Numbers):
    """MobileNetV2."""

    num_channels: Literal[1, 3] = 3
    image_size: Pixels = 224
    depth_multiplier: Annotated[float, Field(gt=0, le=8)] = 1.0
    depth_divisible_by: Annotated[int, Field(ge=1, le=64)] = 8
    min_depth: Annotated[int, Field(ge=1, le=512)] = 8
    expand_ratio: Annotated[float, Field(gt=0, le=32)] = 6.0
    output_stride: Literal[8, 16, 32] = 32
    first_layer_is_expansion: bool = True
    finegrained_output: bool = True
    hidden_act: Activation = "relu6"
    tf_padding: bool = True
    layer_norm_eps: Small = 1e-3
