"""Models of transformers: language models of width 384 with four layers, classifiers of images as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zoo_models import Case, Model, classes, cross_entropy, pictures, words

__all__ = ["LANGUAGE", "small", "transformers"]

VOCABULARY = 2048
SIZES: dict[str, Any] = {
    "hidden_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "intermediate_size": 1024,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
EXPERTS = {"num_local_experts": 8, "num_experts": 8, "n_routed_experts": 8, "moe_intermediate_size": 256}

CAUSAL = (
    "Apertus BioGpt Bloom Cohere Exaone4 Falcon Gemma Gemma2 Gemma3 Glm4 GPT2 GPTBigCode GPTNeoX Granite "
    "Lfm2 Llama Mamba Mistral Mpt NanoChat Nemotron Olmo2 OPT OpenAIGPT Phi Phi3 Qwen2 Qwen3 Rwkv SmolLM3 StableLm "
    "Starcoder2"
)
MIXTURES = "Mixtral GraniteMoe Olmoe GptOss JetMoe"
MASKED = (
    "Albert Bert ConvBert DebertaV2 DistilBert Electra Esm FNet IBert ModernBert MPNet Nystromformer RemBert Roberta "
    "RoFormer XLM Yoso"
)
SEQUENCES = "Bart Pegasus T5 UMT5"
LANGUAGE = frozenset(f"{CAUSAL} {MIXTURES} {MASKED} {SEQUENCES}".split())
ENCODER_DECODER = {
    "d_model": 384,
    "encoder_layers": 3,
    "decoder_layers": 3,
    "encoder_attention_heads": 6,
    "decoder_attention_heads": 6,
    "encoder_ffn_dim": 1024,
    "decoder_ffn_dim": 1024,
    "d_ff": 1024,
    "num_layers": 3,
    "num_heads": 6,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": 2,
}
IMAGES: dict[str, dict[str, Any]] = {
    "Beit": {"image_size": 64, "num_hidden_layers": 6},
    "Bit": {"depths": [2, 2, 2, 2]},
    "ConvNext": {"depths": [2, 2, 4, 2]},
    "ConvNextV2": {"depths": [2, 2, 4, 2]},
    "Cvt": {"depth": [1, 2, 4]},
    "DeiT": {"image_size": 64, "num_hidden_layers": 6},
    "Dinov2": {"image_size": 70, "patch_size": 14, "num_hidden_layers": 6},
    "FocalNet": {"image_size": 64},
    "ImageGPT": {"n_layer": 6, "n_embd": 256, "n_positions": 256, "vocab_size": 513},
    "Levit": {},
    "MobileNetV1": {},
    "MobileNetV2": {},
    "MobileViT": {},
    "MobileViTV2": {},
    "PoolFormer": {},
    "Pvt": {"image_size": 64},
    "PvtV2": {"image_size": 64},
    "RegNet": {"depths": [1, 2, 4, 1]},
    "ResNet": {},
    "Segformer": {},
    "SwiftFormer": {"image_size": 64},
    "Swin": {"image_size": 128, "window_size": 4, "depths": [2, 2, 4, 2]},
    "Swinv2": {"image_size": 64, "window_size": 4, "depths": [2, 2, 4, 2]},
    "ViT": {"image_size": 64, "num_hidden_layers": 6},
    "ViTMSN": {"image_size": 64, "num_hidden_layers": 6},
}
_PICTURE = {
    "Swin": 128,
    "Dinov2": 70,
    "Levit": 224,
    "MobileNetV1": 96,
    "MobileNetV2": 96,
    "MobileViT": 96,
    "MobileViTV2": 96,
}
_SPECIAL = {
    "GPT2": "GPT2LMHeadModel",
    "OpenAIGPT": "OpenAIGPTLMHeadModel",
    "XLM": "XLMWithLMHeadModel",
    "Gemma3": "Gemma3ForCausalLM",
}
_CONFIGS = {"Gemma3": "Gemma3TextConfig", "OpenAIGPT": "OpenAIGPTConfig"}


def transformers() -> Iterator[Model]:
    """Causal, masked and sequence-to-sequence language models, and classifiers of images."""
    for name in CAUSAL.split():
        yield _model(name, f"{name}ForCausalLM", SIZES)
    for name in MIXTURES.split():
        yield _model(name, f"{name}ForCausalLM", SIZES | EXPERTS | {"intermediate_size": 512})
    for name in MASKED.split():
        yield _model(name, f"{name}ForMaskedLM", {**SIZES, "num_key_value_heads": 6})
    for name in SEQUENCES.split():
        sizes = {key: value for key, value in SIZES.items() if key not in ("num_hidden_layers", "num_key_value_heads")}
        yield _model(name, f"{name}ForConditionalGeneration", sizes | ENCODER_DECODER)
    for name, given in IMAGES.items():
        yield Model(f"{name}", "transformers", lambda name=name, given=given: _image(name, given))


def small(name: str) -> Model:
    """A language model of that name, small enough for a fast test."""
    sizes = {**SIZES, **EXPERTS, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 2}
    if name in SEQUENCES.split():
        sizes |= ENCODER_DECODER | {"d_model": 96, "d_ff": 256, "num_layers": 2, "num_key_value_heads": 6}
        return _model(name, f"{name}ForConditionalGeneration", sizes)
    masked = name in MASKED.split()
    return _model(name, f"{name}For{'MaskedLM' if masked else 'CausalLM'}", sizes | {"num_key_value_heads": 6})


def _model(name: str, cls: str, sizes: dict[str, Any]) -> Model:
    return Model(name, "transformers", lambda: _words(name, cls, sizes))


def _words(name: str, cls: str, sizes: dict[str, Any]) -> Case:
    import transformers as library

    config = getattr(library, _CONFIGS.get(name, f"{name}Config"))(**sizes)
    model = getattr(library, _SPECIAL.get(name, cls))(config)
    tokens = words(vocabulary=VOCABULARY)
    return Case(model.train(), {"input_ids": tokens, "labels": tokens})


def _image(name: str, given: dict[str, Any]) -> Case:
    import transformers as library

    config = getattr(library, f"{name}Config")(**given, num_labels=10)
    model = getattr(library, f"{name}ForImageClassification")(config).train()
    if name == "ImageGPT":
        return Case(model, {"input_ids": words(4, 64, 512)}, classes(), cross_entropy)
    return Case(model, {"pixel_values": pictures(size=_PICTURE.get(name, 64))}, classes(), cross_entropy)
