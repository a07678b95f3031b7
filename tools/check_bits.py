"""The compiled kernels give the same bits on every instruction set and on 1 to 8 threads: built, run and compared.

    python tools/check_bits.py

Builds tests/native/bits.cpp with the system's compiler, and with aarch64-linux-gnu-g++ where that and qemu-aarch64
(Debian's packages g++-aarch64-linux-gnu and qemu-user) are there. Streams must agree everywhere; training must agree
among all that fuse multiplication and addition, which is all but the baseline of x86-64.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
BUILD: Final = ROOT / "build" / "bits"
OPTIONS: Final = ["-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-pthread", "-static", "-w"]
X86: Final = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx2", "-mfma", "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mprefer-vector-width=512"],
}
"""Those of CMakeLists.txt."""


def main() -> None:
    """Print how many kernels were compared on what; exit with 1 where bits differ."""
    found = {}
    host = build("host", os.environ.get("CXX", "g++"), X86 if os.uname().machine == "x86_64" else {"baseline": []})
    for isa in X86:
        lines = run([str(host)], isa)
        if lines[0].startswith(f"isa {isa},"):
            found[f"{os.uname().machine} {isa}"] = lines
    cross, qemu = shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64")
    if cross and qemu:
        program = [qemu, str(build("aarch64", cross, {"baseline": []}))]
        with ThreadPoolExecutor() as pool:  # minutes of work
            halves = pool.map(lambda kind: run([*program, kind], "baseline"), ("float32", "float64"))
        found["aarch64 NEON, under qemu"] = [line for half in halves for line in half]
    else:
        print("no aarch64-linux-gnu-g++ or qemu-aarch64: ARM is left out")
    wrong = compare(found)
    print("\n".join(wrong) or "the same bits everywhere")
    sys.exit(bool(wrong))


def build(name: str, compiler: str, isas: dict[str, list[str]]) -> Path:
    """The program for one processor family, its kernels compiled for each of the instruction sets."""
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    define = ["-DGOODINIT_X86=1"] if len(isas) > 1 else []
    define += [f"-DGOODINIT_{isa.upper()}=1" for isa in isas if isa != "baseline"]
    native = ROOT / "native"
    jobs = {"bits": (ROOT / "tests" / "native" / "bits.cpp", []), "isa": (native / "isa.cpp", [])}
    jobs["streams_fill"] = (native / "streams_fill.cpp", [])
    for kernel in ("lanes_alone_kernel", "lanes_grouped_kernel", "lanes_wide_kernel", "streams_kernel"):
        for isa, flags in isas.items():
            jobs[f"{kernel}_{isa}"] = (native / f"{kernel}.cpp", [*flags, f"-DGOODINIT_ISA={isa}"])
    newest = max(path.stat().st_mtime for path in [*native.iterdir(), ROOT / "tests" / "native" / "bits.cpp"])

    def compiled(job: str) -> Path:
        source, flags = jobs[job]
        made = folder / f"{job}.o"
        if not made.exists() or made.stat().st_mtime < newest:
            half = made.with_suffix(".half")
            subprocess.run([compiler, *OPTIONS, *define, *flags, "-c", source, "-o", half], check=True)
            half.rename(made)
        return made

    with ThreadPoolExecutor() as pool:
        objects = list(pool.map(compiled, jobs))
    program = folder / "bits"
    subprocess.run([compiler, *OPTIONS, *objects, "-o", program], check=True)
    return program


def run(command: list[str], isa: str) -> list[str]:
    """Its lines. It ends with an error where threads or layouts differ."""
    done = subprocess.run(command, env={**os.environ, "GOODINIT_ISA": isa}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ({isa}): {done.stderr or f'exit code {done.returncode}'}")
    return done.stdout.splitlines()


def compare(found: dict[str, list[str]]) -> list[str]:
    """A line for each kernel that differs from the first machine of its kind; tells what was compared."""
    wrong = []
    for what in ("stream", "train"):
        alike = {name: lines for name, lines in found.items() if what == "stream" or name != "x86_64 baseline"}
        (first, expected), *others = alike.items()
        kept = [line for line in expected if line.startswith(what)]
        for name, lines in others:
            same = set(lines)
            wrong += [f"{name} differs from {first}: {line}" for line in kept if line not in same]
        print(f"{what}: {len(kept)} kernels on {', '.join(alike)}")
    return wrong


if __name__ == "__main__":
    main()
