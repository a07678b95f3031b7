"""Each name is of one thing."""

import ast
from collections import defaultdict
from pathlib import Path

import goodinit

ARRAYS = {"Array", "Bools", "Float64s", "Floats", "Parameters"}  # of arrays, which are the same everywhere


def test_no_two_types_have_the_same_name():
    source = Path(goodinit.__file__).parent
    places = defaultdict(list)
    for path in source.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        aliases = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
        names += [alias.id for alias in aliases if isinstance(alias, ast.Name)]
        for name in names:
            if name[0].isupper() and not name.isupper() and name not in ARRAYS:
                places[name].append(str(path.relative_to(source)))
    assert len(places) > 150
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
