"""Which instruction sets are usable, by which are compiled: isa.cpp alone, compiled for each choice of them."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
COMPILER = shutil.which("g++") or shutil.which("clang++")
PROGRAM = """
#include <cstdio>
#include <initializer_list>
#include "isa.hpp"
int main() {
    for (auto isa : {goodinit::Isa::baseline, goodinit::Isa::avx2, goodinit::Isa::avx512})
        if (goodinit::is_usable(isa)) std::printf("%s ", goodinit::isa_name(isa));
    std::printf("%s", goodinit::isa_name(goodinit::chosen_isa()));
}
"""


@pytest.mark.skipif(not COMPILER or not NATIVE.exists(), reason="no C++ compiler")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="one instruction set only")
@pytest.mark.parametrize("compiled", [(), ("avx2",), ("avx512",), ("avx2", "avx512")])
def test_only_what_is_compiled_is_usable(compiled, tmp_path):
    """`make demo` compiles the best of this machine beside the baseline, a wheel all of them."""
    (tmp_path / "main.cpp").write_text(PROGRAM)
    defines = [f"-DGOODINIT_{each.upper()}=1" for each in compiled]
    sources = [tmp_path / "main.cpp", NATIVE / "isa.cpp"]
    command = [COMPILER, "-std=c++17", "-DGOODINIT_X86=1", *defines, "-I", NATIVE, *sources, "-o", tmp_path / "isa"]
    subprocess.run(command, check=True)

    def usable(most=None):
        environment = {**os.environ, "GOODINIT_ISA": most or "any"}
        done = subprocess.run([tmp_path / "isa"], env=environment, capture_output=True, text=True, check=True)
        *names, chosen = done.stdout.split()
        assert chosen == names[-1]
        return names

    every = usable()
    assert every[0] == "baseline"
    assert set(every) <= {"baseline", *compiled}
    assert usable("baseline") == ["baseline"]
    assert usable("avx2") == [each for each in every if each != "avx512"]
    assert usable("avx512") == every
