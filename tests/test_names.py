"""Each name is of one thing."""

import ast
import tokenize
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


PRIVATE = {"anew", "dear", "keeper", "parcel", "shipment", "told", "twin", "twins", "yardstick"}  # words of nobody else


def test_names_are_made_of_the_fields_words():
    source = Path(goodinit.__file__).parent
    found = set()
    for path in source.rglob("*.py"):
        with path.open(encoding="utf-8") as lines:
            for token in tokenize.generate_tokens(lines.readline):
                if token.type == tokenize.NAME and PRIVATE & set(token.string.lower().split("_")):
                    found.add((str(path.relative_to(source)), token.start[0], token.string))
    assert found == set()
