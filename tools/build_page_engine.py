"""Compiles the kernels to WebAssembly for the lab's page, and notes which sources the file was made from.

Run it as `make page`, or `python tools/build_page_engine.py [zig c++ command ...]`; the compiler is `python -m ziglang
c++` (pip install ziglang), Clang with a C library for WebAssembly. `--check` compiles nothing and says whether the
committed file belongs to the sources.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NATIVE = ROOT / "native"
UNITS = ("page/page.cpp", "page/quantile.cpp", "lanes_alone_kernel.cpp", "streams_kernel.cpp")
ENGINE = ROOT / "src/goodinit/lab/static/engine/goodinit.wasm"
NOTE = ENGINE.with_name("goodinit.wasm.sources")
ZIG = "0.17.1"
FLAGS = [
    *("-target", "wasm32-wasi", "-mexec-model=reactor", "-O3", "-msimd128", "-ffp-contract=off", "-fno-math-errno"),
    *("-fno-exceptions", "-fno-rtti", "-std=c++17", "-DGOODINIT_ISA=baseline", "-s"),
]


def read(unit: Path, seen: set[Path]) -> None:
    """The file and all of ours that it includes, into `seen`."""
    if unit in seen:
        return
    seen.add(unit)
    for line in unit.read_text("utf-8").splitlines():
        if line.lstrip().startswith('#include "'):
            read((unit.parent / line.split('"')[1]).resolve(), seen)


def sources() -> str:
    """What the engine is made from: the compiler, its options, and a hash of each source."""
    seen: set[Path] = set()
    for unit in UNITS:
        read((NATIVE / unit).resolve(), seen)
    lines = [f"zig {ZIG} {' '.join(FLAGS)}"]
    for path in sorted(seen):
        lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ROOT).as_posix()}")
    return "\n".join([*lines, ""])


def note() -> str:
    """What lies beside the engine: its own hash, then its sources."""
    return f"{hashlib.sha256(ENGINE.read_bytes()).hexdigest()}  {ENGINE.name}\n{sources()}"


def main(arguments: list[str]) -> int:
    """Check, or compile where the sources have changed."""
    current = ENGINE.exists() and NOTE.exists() and NOTE.read_text("utf-8") == note()
    if arguments == ["--check"] or current:
        print(f"{ENGINE.name} {'belongs' if current else 'does not belong'} to the sources")
        return 0 if current else 1
    compiler = arguments or [sys.executable, "-m", "ziglang", "c++"]
    subprocess.run([*compiler, *FLAGS, *(str(NATIVE / unit) for unit in UNITS), "-o", str(ENGINE)], check=True)
    ENGINE.chmod(0o644)
    NOTE.write_text(note(), encoding="utf-8")
    print(f"{ENGINE.name} is made: {ENGINE.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
