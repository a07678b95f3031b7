"""Which instruction sets are usable, by which are compiled: isa.cpp alone, compiled for each choice of them."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
COMPILER = shutil.which("g++") or shutil.which("clang++")
needs_compiler = pytest.mark.skipif(
    not COMPILER or not NATIVE.exists() or platform.machine() != "x86_64", reason="no compiler, or one instruction set"
)
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


@needs_compiler
@pytest.mark.parametrize("compiled", [(), ("avx2",), ("avx512",), ("avx2", "avx512")])
def test_only_what_is_compiled_is_usable(compiled, tmp_path):
    usable = compiled_for([f"-DGOODINIT_{each.upper()}=1" for each in compiled], tmp_path)
    every = usable("any")
    assert every[0] == "baseline"
    assert set(every) <= {"baseline", *compiled}
    assert usable("baseline") == ["baseline"]
    assert usable("avx2") == [each for each in every if each != "avx512"]
    assert usable("avx512") == every


@needs_compiler
@pytest.mark.parametrize("lowest", ["avx2", "avx512"])
def test_what_is_compiled_for_one_machine_has_nothing_lower(lowest, tmp_path):
    """As `make demo` does it: the only instruction set there is cannot be lowered."""
    usable = compiled_for([f"-DGOODINIT_LOWEST={lowest}"], tmp_path)
    assert [usable(most) for most in ("any", "baseline", "avx2", "avx512")] == [[lowest]] * 4


def compiled_for(defines, tmp_path):
    """The function that says which are usable where GOODINIT_ISA is given."""
    (tmp_path / "main.cpp").write_text(PROGRAM)
    sources = [tmp_path / "main.cpp", NATIVE / "isa.cpp"]
    command = [COMPILER, "-std=c++17", "-DGOODINIT_X86=1", *defines, "-I", NATIVE, *sources, "-o", tmp_path / "isa"]
    subprocess.run(command, check=True)

    def usable(most):
        environment = {**os.environ, "GOODINIT_ISA": most}
        done = subprocess.run([tmp_path / "isa"], env=environment, capture_output=True, text=True, check=True)
        *names, chosen = done.stdout.split()
        assert chosen == names[-1]
        return names

    return usable
