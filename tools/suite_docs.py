"""Write docs/suite-results.md and its figures from the results that ship: the tables of each set, and what was run.

python tools/suite_docs.py
"""

from pathlib import Path

from goodinit.errors import GoodinitError
from goodinit.suite import judge_claims, read_result, registered
from goodinit.suite.figure import drawings
from goodinit.suite.registered import SETS
from goodinit.suite.table import (
    CLAIM_COLUMNS,
    budgets_of,
    claim_cells,
    claims_note,
    families,
    note,
    standing_cells,
    standings,
    task_cell,
)
from goodinit.wording import count

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# What the suite found

Made by `python tools/suite_docs.py` from the results that ship, which `goodinit suite --set NAME --out suite.json`
makes; `goodinit suite --table --set NAME` prints them. [suite.md](suite.md) says what is trained and how it is judged.
"""


def shipped():
    """The results that ship, by their set."""
    found = {}
    for name in SETS:
        try:
            found[name] = read_result(name=name)
        except GoodinitError:
            continue
    return found


def page(results):
    """The text of the page."""
    return "\n".join([HEAD, *(line for name, found in results.items() for line in _set(name, found))])


def _set(name, found):
    plan, have = registered(name).tasks, {task.name for task in found.tasks}
    missing = [task.name for task in plan if task.name not in have]
    yield f"## The set {name}: {len(have)} of {count(len(plan), 'task')}\n"
    if missing:
        yield f"Not run: {'; '.join(missing)}.\n"
    yield from (f"![{each.heading}](images/suite-{name}-{each.name}.png)\n" for each in drawings(found))
    if name == "claims":
        yield from _claims(found)
        return
    yield f"{note(found)}\n"
    for budget in budgets_of(found):
        yield f"### {name}: {count(budget, 'learning rate')} to tune on\n"
        heads = ("start", "tasks", "mean rank", "without one task", "better", "worse", "=", "diverged")
        yield from _table((*heads, *families(found)), [standing_cells(each) for each in standings(found, budget)])
        starts = list(dict.fromkeys(row.start for task in found.tasks for row in task.of(budget)))
        rows = []
        for task in found.tasks:
            cells = {row.start: task_cell(row) for row in task.of(budget)}
            rows.append((task.name, *(cells.get(start, "") for start in starts)))
        yield from _table(("median test loss (rate)", *starts), rows)


def _claims(found):
    claims = judge_claims(found)
    yield f"{claims_note(claims)}\n"
    rows = [(each.name, each.claim, each.source, *claim_cells(each)[1:]) for each in claims]
    yield from _table(("", "claim", "source", *CLAIM_COLUMNS[1:]), rows)


def _table(heads, rows):
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join((*row, *[''] * (len(heads) - len(row))))} |"
    yield ""


def main():
    """Write both."""
    results = shipped()
    (ROOT / "docs" / "suite-results.md").write_text(page(results))
    for name, found in results.items():
        for each in drawings(found):
            each.figure.savefig(ROOT / "docs" / "images" / f"suite-{name}-{each.name}.png", dpi=90, metadata={})


if __name__ == "__main__":
    main()
