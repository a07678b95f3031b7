"""Recipes beside the models that they are of: small configurations of transformers and timm, parameter by parameter.

`python tools/recipes_zoo.py [RECIPE ...]` prints a table in Markdown: how many parameters each recipe fills, how many
of them differ from the model's own start (another constant, or a standard deviation more than four standard errors
off), and what it leaves alone; by names alone, and by one run.
"""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable
from typing import Any

import torch

import goodinit

_WORDS = torch.arange(16).reshape(2, 8)
_SIZES = {"vocab_size": 500, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
_MARKS = {"pad_token_id": None, "bos_token_id": None, "eos_token_id": None}
_DECODER = {**_SIZES, **_HEADS, **_MARKS}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64, "head_dim": 16}
_COMPRESSED = {
    **_DECODER,
    "num_key_value_heads": 4,
    "q_lora_rank": 32,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "moe_intermediate_size": 64,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "topk_group": 1,
}
_PAIR = {"vocab_size": 500, "d_model": 64, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
_SPEECH = {
    **_PAIR,
    "encoder_layers": 3,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "max_source_positions": 32,
    "max_target_positions": 32,
    "num_mel_bins": 20,
    "bos_token_id": 1,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
}
_BOTH = {"input_ids": _WORDS, "decoder_input_ids": _WORDS}
_IMAGE = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)
_SMALL = {"vocab_size": 500, "n_positions": 64, "n_embd": 64, "n_layer": 3, "n_head": 4, **_MARKS}

FAMILIES: dict[str, tuple[str, str, dict[str, Any], Any]] = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", _SMALL, _WORDS),
    "llama": ("LlamaForCausalLM", "LlamaConfig", _DECODER, _WORDS),
    "mistral": ("MistralForCausalLM", "MistralConfig", _DECODER, _WORDS),
    "mixtral": ("MixtralForCausalLM", "MixtralConfig", {**_DECODER, "num_local_experts": 4}, _WORDS),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", _DECODER, _WORDS),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", {**_DECODER, "head_dim": 16}, _WORDS),
    "qwen3_moe": ("Qwen3MoeForCausalLM", "Qwen3MoeConfig", {**_DECODER, **_EXPERTS}, _WORDS),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", {**_DECODER, "head_dim": 16}, _WORDS),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config", {**_DECODER, "head_dim": 16}, _WORDS),
    "gemma3": ("Gemma3ForCausalLM", "Gemma3TextConfig", {**_DECODER, "head_dim": 16}, _WORDS),
    "deepseek_v2": ("DeepseekV2ForCausalLM", "DeepseekV2Config", _COMPRESSED, _WORDS),
    "deepseek_v3": ("DeepseekV3ForCausalLM", "DeepseekV3Config", _COMPRESSED, _WORDS),
    "bert": ("BertForMaskedLM", "BertConfig", {**_SIZES, "num_attention_heads": 4}, _WORDS),
    "vit": (
        *("ViTForImageClassification", "ViTConfig"),
        {**_SIZES, "num_attention_heads": 4, "image_size": 32, "patch_size": 8},
        {"pixel_values": _IMAGE},
    ),
    "t5(head_dim=16)": (
        *("T5ForConditionalGeneration", "T5Config"),
        {**_PAIR, "d_kv": 16, "d_ff": 128, "num_layers": 3, "num_heads": 4},
        _BOTH,
    ),
    "mamba": (
        *("MambaForCausalLM", "MambaConfig"),
        {"vocab_size": 500, "hidden_size": 64, "num_hidden_layers": 3, "state_size": 8, **_MARKS},
        _WORDS,
    ),
    "whisper": (
        *("WhisperForConditionalGeneration", "WhisperConfig"),
        _SPEECH,
        {"input_features": torch.linspace(-1, 1, 2 * 20 * 64).reshape(2, 20, 64), "decoder_input_ids": _WORDS},
    ),
}


def _of_transformers(entry: tuple[str, str, dict[str, Any], Any]) -> tuple[Callable[[], torch.nn.Module], Any]:
    import transformers

    cls, config, options, inputs = entry
    given = inputs if isinstance(inputs, dict) else {"input_ids": inputs}
    return lambda: getattr(transformers, cls)(getattr(transformers, config)(**options)), given


def _of_timm() -> tuple[Callable[[], torch.nn.Module], Any]:
    import timm

    sizes = {"embed_dim": 64, "depth": 3, "num_heads": 4, "img_size": 32, "patch_size": 8}
    return lambda: timm.create_model("vit_tiny_patch16_224", **sizes), _IMAGE


def differing(own: torch.nn.Module, recipe: str, inputs: Any) -> tuple[int, list[str], list[str]]:
    """How many parameters the recipe fills, those that differ from the model's own start, and those it keeps."""
    mine = copy.deepcopy(own)
    done = goodinit.initialize(mine, recipe, seed=0, inputs=inputs)
    theirs, ours = dict(own.named_parameters()), dict(mine.named_parameters())
    off, kept = [], []
    for each in done.weights:
        before, after = theirs[each.parameters[0]].detach().double(), ours[each.parameters[0]].detach().double()
        if each.initializer is None:
            kept.append(each.name)
        elif not each.expected_std:
            off += [] if torch.equal(before, after) else [each.name]
        else:
            drawn = before[before != 0]  # a row of padding is 0
            error = each.expected_std / math.sqrt(2 * drawn.numel())
            off += [] if abs(drawn.std().item() - each.expected_std) <= 4 * error else [each.name]
    return len(done.weights) - len(kept), off, kept


def main() -> None:
    """Print the table."""
    made = {name: _of_transformers(entry) for name, entry in FAMILIES.items()} | {"vit_timm": _of_timm()}
    chosen = {name: each for name, each in made.items() if not sys.argv[1:] or name.split("(")[0] in sys.argv[1:]}
    print("| recipe | of | parameters filled | differ, by names | differ, by one run | kept |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, (make, inputs) in chosen.items():
        torch.manual_seed(0)
        own = make().eval()
        filled, off, kept = differing(own, name, None)
        _, seen, _ = differing(own, name, inputs)
        listed = ", ".join(f"`{each}`" for each in kept)
        print(f"| `{name}` | {type(own).__name__} | {filled} | {len(off)} | {len(seen)} | {listed} |", *off, *seen)


if __name__ == "__main__":
    main()
