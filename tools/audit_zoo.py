"""Audit the models of transformers, timm, diffusers and torchvision, and write docs/audit-zoo.md.

    python tools/audit_zoo.py RESULTS.jsonl [FAMILY ...]
    python tools/audit_zoo.py RESULTS.jsonl --table

Each model is built with its default configuration in a process of its own, so that what one takes or breaks is not
the next one's. What RESULTS.jsonl holds already is not audited again. The libraries are not among goodinit's: install
those that are to be audited.
"""

from __future__ import annotations

import importlib
import inspect
import json
import multiprocessing
import os
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

FAMILIES = ("causal", "diffusers", "torchvision", "timm", "transformers")
LABELS = {
    "causal": "transformers, causal language models",
    "transformers": "transformers, base models",
    "timm": "timm, one a file",
    "diffusers": "diffusers",
    "torchvision": "torchvision",
}
REPRODUCED = """
## Seen without goodinit

```python
import torch
from diffusers.models.transformers import NucleusMoEImageTransformer2DModel

torch.use_deterministic_algorithms(True, warn_only=True)  # new memory is filled with NaN
model = NucleusMoEImageTransformer2DModel(
    num_layers=5, num_attention_heads=2, attention_head_dim=16, axes_dims_rope=(4, 6, 6),
    joint_attention_dim=32, num_experts=2, moe_intermediate_dim=16,
)
print([name for name, p in model.named_parameters() if p.isnan().any()])
# ['transformer_blocks.3.img_mlp.experts.gate_up_proj', 'transformer_blocks.3.img_mlp.experts.down_proj']
```

```python
import torch, transformers

torch.use_deterministic_algorithms(True, warn_only=True)
config = transformers.OpenAIGPTConfig(n_layer=1, n_embd=32, n_head=2, vocab_size=99)  # or of Apertus
with torch.device("meta"):
    model = transformers.OpenAIGPTLMHeadModel(config)
model.to_empty(device="cpu").initialize_weights()
print([name for name, p in model.named_parameters() if p.isnan().any()])
# the weights and biases of every Conv1D: ['transformer.h.0.attn.c_attn.weight', ...]
```

So for nine more of the base models, in their default configurations: the names that hold NaN are those of the audit;
and so for `CLIPModel`, whose `logit_scale` is made by `torch.tensor`.

```python
import torch
from timm.layers import trunc_normal_

torch.manual_seed(1001)
print(trunc_normal_(torch.empty(30_000_000), std=0.02).abs().max())
# 2.0, a hundred standard deviations: of 2**24 uniform numbers one is -1, whose erfinv is infinite
```

The `outliers` of timm are this: drawn anew they lie in other models. PyTorch 2.13's own `trunc_normal_` is free of it
(none in 3 billion numbers).
"""
SHARED = {  # what all models of a family import: once, and not in each process
    "causal": ("transformers.modeling_utils", "transformers.masking_utils", "transformers.modeling_rope_utils"),
    "diffusers": ("diffusers.models",),
    "torchvision": ("torchvision.models",),
    "timm": ("timm",),
}
SHARED["transformers"] = SHARED["causal"]
SECONDS = 300  # for one model
MEMORY = 12 * 2**30
ROOT = Path(__file__).parents[1]


def causal() -> Iterator[tuple[str, Callable[[], Any]]]:
    """transformers' causal language models, from their default configurations."""
    from transformers.models.auto import modeling_auto

    yield from _of_transformers(modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def transformers() -> Iterator[tuple[str, Callable[[], Any]]]:
    """transformers' base models, from their default configurations."""
    from transformers.models.auto import modeling_auto

    yield from _of_transformers(modeling_auto.MODEL_MAPPING_NAMES)


def _of_transformers(names: dict[str, Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    for kind, found in names.items():
        name = found if isinstance(found, str) else found[0]
        yield name, lambda name=name, kind=kind: _transformer(name, CONFIG_MAPPING_NAMES.get(kind, ""))


def _transformer(name: str, config: str) -> Any:
    import transformers as library

    cls = getattr(library, name)
    try:
        return cls(cls.config_class())
    except Exception:  # where the class names a configuration of something larger
        return cls(getattr(library, config)())


def timm() -> Iterator[tuple[str, Callable[[], Any]]]:
    """timm's models, the first of each of its files."""
    import timm as library

    for name in (library.list_models(module=module)[0] for module in library.list_modules()):
        yield name, lambda name=name: library.create_model(name, pretrained=False)


def diffusers() -> Iterator[tuple[str, Callable[[], Any]]]:
    """The models of diffusers whose arguments all have defaults."""
    from diffusers import models as library

    for name in sorted(
        library._import_structure_names() if hasattr(library, "_import_structure_names") else dir(library)
    ):
        cls = getattr(library, name, None)
        if inspect.isclass(cls) and hasattr(cls, "from_config") and not name.startswith(("Flax", "Auto")):
            yield name, cls


def torchvision() -> Iterator[tuple[str, Callable[[], Any]]]:
    """torchvision's models, without weights."""
    from torchvision import models as library

    for name in library.list_models():
        yield (
            name,
            lambda name=name: library.get_model(name, weights=None, **_backbone(library.get_model_builder(name))),
        )


def _backbone(builder: Callable[..., Any]) -> dict[str, Any]:
    return {"weights_backbone": None} if "weights_backbone" in inspect.signature(builder).parameters else {}


def audited(make: Callable[[], Any], family: str) -> dict[str, Any]:
    """What the audit of one model found, as it is built, and of transformers' also as a missing key is filled."""
    found = _audited(make, None)
    if family in ("causal", "transformers") and "refused" not in found:
        missing = _audited(make, "initialize_weights")
        found["missing"] = missing.get("findings", missing.get("refused"))
    return found


def _audited(make: Callable[[], Any], init: str | None) -> dict[str, Any]:
    import goodinit

    warnings.simplefilter("ignore")
    begun = time.perf_counter()
    try:
        found = goodinit.audit(make, init)
    except goodinit.GoodinitError as error:
        return {"refused": str(error)[:300]}
    seconds = time.perf_counter() - begun
    elements = 0
    for each in found.parameters:
        size = 1
        for side in each.shape:
            size *= side
        elements += size if each.kind == "parameter" else 0
    return {
        "parameters": elements,
        "tensors": len(found.parameters),
        "seconds": round(seconds, 2),
        "device": found.device,
        "unknown": sum(each.law is None or str(each.law) == "unknown" for each in found.parameters),
        "findings": [
            [each.code, each.where, found[each.where].confirmed, [str(w) for w in found[each.where].lost[-1:]]]
            for each in found.findings
            if each.severity == "severe" and each.where is not None
        ],
    }


def _child(make: Callable[[], Any], family: str, pipe: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (3 * MEMORY, 3 * MEMORY))
    with Path(os.devnull).open("w") as sink, redirect_stdout(sink), redirect_stderr(sink):
        try:
            pipe.send(audited(make, family))
        except BaseException as error:  # told, and not the end of the others
            pipe.send({"refused": f"{type(error).__name__}: {error}"[:300]})


def table(rows: list[dict[str, Any]]) -> str:
    """The page of the results: a row a family, then what was found, then what could not be built."""
    lines = [
        "# The audit of public models\n",
        "Made by `tools/audit_zoo.py`: every model from its library's default configuration, on the meta device where",
        "it builds there, one thread of a shared machine. *Incomplete* are those of which the audit says that a",
        "parameter or buffer is never filled: as they are built, and, of transformers, as it fills the keys",
        "that a checkpoint lacks (on the meta device, `to_empty`, `initialize_weights`).\n",
        "| library | models | parameters | tensors | laws not known | seconds | incomplete as built | "
        "incomplete as keys are filled | refused |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for family in FAMILIES:
        own = [row for row in rows if row["family"] == family]
        done = [row for row in own if "refused" not in row]
        if not own:
            continue
        size = sum(row["parameters"] for row in done)
        counts = [
            len(done),
            f"{size / 1e12:.3g} trillion" if size > 1e12 else f"{size / 1e9:.3g} billion",
            f"{sum(row['tensors'] for row in done):,}",
            f"{sum(row['unknown'] for row in done):,}",
            f"{sum(row['seconds'] for row in done):.0f}",
            sum(any(_unfilled(each) for each in row["findings"]) for row in done),
            sum(bool(row.get("missing")) for row in done) if family in ("causal", "transformers") else "",
            len(own) - len(done),
        ]
        lines.append(f"| {LABELS[family]} | " + " | ".join(map(str, counts)) + " |")
    lines += [
        "\n## What was found\n",
        "| model | how | finding | parameters | first |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        for how, found in (("as built", row.get("findings")), ("as keys are filled", row.get("missing"))):
            if isinstance(found, list):
                codes = Counter(each[0] for each in found)
                lines += [
                    f"| `{row['model']}` | {how} | `{code}` | {count} | "
                    f"`{next(each[1] for each in found if each[0] == code)}` |"
                    for code, count in codes.items()
                ]
    lines += [
        "\n## What was not audited\n",
        "What its own default configuration does not build, or not within 8 GiB.\n",
    ]
    lines += [f"- `{row['model']}`: {_sentence(row['refused'])}" for row in rows if "refused" in row]
    return "\n".join(lines) + "\n" + REPRODUCED


def _unfilled(finding: list[Any]) -> bool:
    return finding[0] in ("never-filled", "lost-write", "partly-filled")


def _sentence(refused: str) -> str:
    return " ".join(refused.rpartition("failed: ")[2].split())[:120]


def main() -> None:
    """Audit what is not in the file yet."""
    path, families = Path(sys.argv[1]), sys.argv[2:] or FAMILIES
    if families == ["--table"]:
        rows = list({(r["family"], r["model"]): r for r in map(json.loads, path.read_text().splitlines())}.values())
        (ROOT / "docs" / "audit-zoo.md").write_text(table(rows))
        return
    done = (
        {(row["family"], row["model"]) for row in map(json.loads, path.read_text().splitlines())}
        if path.exists()
        else set()
    )
    context = multiprocessing.get_context("fork")
    importlib.import_module("goodinit.auditing.run")
    importlib.import_module("torch")
    for family in families:
        for module in SHARED.get(family, ()):
            importlib.import_module(module)
        for name, make in globals()[family]():
            if (family, name) in done:
                continue
            here, there = context.Pipe(duplex=False)
            child = context.Process(target=_child, args=(make, family, there))
            child.start()
            there.close()
            found = {"refused": f"no end within {SECONDS} s"}
            try:
                if here.poll(SECONDS):
                    found = here.recv()
            except EOFError:
                found = {"refused": "the process died"}
            child.kill()
            child.join()
            with path.open("a") as file:
                file.write(json.dumps({"family": family, "model": name, **found}) + "\n")


if __name__ == "__main__":
    main()
