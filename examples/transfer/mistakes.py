"""The tables of docs/transfer.md: seeded mistakes, correct models of many seeds, widths and batches, and depth.

python examples/transfer/mistakes.py mistakes | correct | depth | small
"""

from __future__ import annotations

import sys
import time
from functools import partial

import models
import torch

import goodinit

WIDTHS = [32, 64, 128, 256]


def told(found):
    return found.verdict, ", ".join(f"`{each.code}`" for each in found.findings) or "-"


def mistakes():
    print("| model | mistake | verdict | findings | wanted |\n| --- | --- | --- | --- | --- |")
    for make, every in ((models.mlp, models.MLP_MISTAKES), (models.gpt, models.GPT_MISTAKES)):
        right = 0
        for mistake, code in every.items():
            steps = 1 if mistake == "zero readout" else 4
            found = goodinit.transfer(partial(make, mistake=mistake), widths=WIDTHS, seeds=3, steps=steps)
            verdict, findings = told(found)
            right += bool(found.findings) and found.findings[0].code == code
            print(f"| {make.__name__} | {mistake} | {verdict} | {findings} | `{code}` |", flush=True)
        print(f"{make.__name__}: {right} of {len(every)} named first\n", flush=True)


def correct(first=0, after=100):
    """Correct models of other seeds, widths, batches and rates."""
    counts = {}
    for number in range(first, after):
        generator = torch.Generator().manual_seed(1000 + number)

        def choose(several, generator=generator):
            return several[int(torch.randint(len(several), (), generator=generator))]

        widths = choose([[16, 32, 64, 128], [24, 48, 96, 192], [32, 64, 128, 256], [16, 24, 48, 80, 128]])
        seeds = [100 * number + each for each in range(3)]
        if number % 2:
            make = partial(models.mlp, count=choose([32, 64, 128, 256]), learning_rate=choose([1e-3, 3e-3, 1e-2]))
        else:
            rate = choose([1e-3, 3e-3, 1e-2])
            make = partial(models.gpt, count=choose([4, 8]), learning_rate=rate, data_seed=number)
        found = goodinit.transfer(make, widths=widths, seeds=seeds)
        counts[found.verdict] = counts.get(found.verdict, 0) + 1
        if found.verdict != "transfers":
            print(make.func.__name__, make.keywords, widths, *told(found), found.answer, sep=" | ", flush=True)
    print(", ".join(f"{verdict}: {count}" for verdict, count in counts.items()), flush=True)


def depth():
    for kind in ("standard", "completep"):
        started = time.perf_counter()
        found = goodinit.transfer(partial(models.deep, kind=kind), depths=[4, 8, 16, 32], seeds=2)
        print(kind, *told(found), found.answer, f"{time.perf_counter() - started:.0f} s", sep=" | ", flush=True)


def small():
    started, used = time.perf_counter(), time.process_time()
    found = goodinit.transfer(models.gpt, widths=WIDTHS, seeds=3)
    print(found.answer, f"{time.perf_counter() - started:.0f} s, {time.process_time() - used:.0f} s of the processor")


if __name__ == "__main__":
    torch.set_num_threads(1)
    name, *numbers = sys.argv[1:] or ["small"]
    {"mistakes": mistakes, "correct": correct, "depth": depth, "small": small}[name](*map(int, numbers))
