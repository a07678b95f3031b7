"""What `import goodinit` brings, and at what price."""

import ast
import importlib.metadata
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import scipy
from packaging.version import Version

import goodinit


def python(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True).stdout


def imported(code):
    """The packages that a fresh process has imported after the code."""
    return set(python("-c", f"{code}\nimport sys\nprint(*sys.modules)").split())


def test_importing_the_package_imports_nothing_heavy():
    heavy = {"numpy", "scipy", "sklearn", "matplotlib", "torch", "typer", "jinja2", "rich"}
    assert not imported("import goodinit") & heavy


def test_an_activation_without_special_functions_needs_no_scipy():
    assert "scipy" not in imported("import goodinit, numpy; goodinit.activations.get('relu').value(numpy.ones(3))")
    assert "scipy" in imported("import goodinit, numpy; goodinit.activations.get('gelu').value(numpy.ones(3))")


def test_a_resume_with_nothing_to_do_imports_only_what_it_needs(tmp_path):
    options = f"tasks='digits', steps=5, seeds=[0], perturbations=0, study={str(tmp_path / 'a.db')!r}"
    code = f"import goodinit; goodinit.compare(['zeros', 'he_normal'], {options})"
    imported(code)
    found = imported(code)
    assert "goodinit.comparison.run" in found
    older = {"scipy.linalg"} if Version(scipy.__version__) < Version("1.17") else set()  # comes with its sparse arrays
    assert not found & {"sklearn", "matplotlib", "torch", "scipy.optimize", "scipy.linalg", "scipy.stats"} - older


def test_a_models_resume_counts_no_operations(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "mine.py").write_text("from torch import nn\n\n\ndef make():\n    return nn.Linear(2, 1)\n")
    told = (
        f"model={str(tmp_path / 'mine.py:make')!r}, data='moons', steps=3, seeds=[0], study={str(tmp_path / 'a.db')!r}"
    )
    code = f"import goodinit; goodinit.compare('default', {told})"
    assert "torch.utils.flop_counter" in imported(code)
    assert "torch.utils.flop_counter" not in imported(code)


def test_every_name_is_there_when_asked_for():
    found = python("-c", "import goodinit\nprint(*(name for name in goodinit.__all__ if getattr(goodinit, name)))")
    assert found.split() == goodinit.__all__
    assert set(goodinit.__all__) <= set(dir(goodinit))
    with pytest.raises(AttributeError, match="no attribute 'compere'"):
        goodinit.compere  # noqa: B018  # the access is what is tested


def test_the_rooms_that_the_docs_name_need_no_import_of_their_own():
    assert "function estimate" in python("-c", "import goodinit\nprint(goodinit.comparison.estimate)")
    assert "function wilson" in python("-c", "import goodinit\nprint(goodinit.statistics.wilson)")


def test_the_version_is_the_packages_and_told_without_the_command_line():
    assert goodinit.__version__ == importlib.metadata.version("goodinit")
    assert python("-m", "goodinit", "--version") == f"goodinit {goodinit.__version__}\n"
    code = "import sys\nsys.argv[1:] = ['--version']\nfrom goodinit.__main__ import main\nmain()"
    assert not imported(code) & {"typer", "numpy"}


def test_the_module_is_the_command():
    assert "compare" in python("-m", "goodinit", "--help")


def test_no_circle_between_files():
    """What a file imports, in functions and for types too, never leads back to it."""
    source = Path(goodinit.__file__).parents[1]
    files = {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
        for path in Path(goodinit.__file__).parent.rglob("*.py")
    }
    imports = {name: set() for name in files}
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imports[name] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                imports[name] |= {each if each in files else node.module for each in inner}
    graph = {name: (found & files.keys()) - {name} for name, found in imports.items()}
    assert sum(map(len, graph.values())) > 500
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle
