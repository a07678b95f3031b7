"""What docs/how-to.md and docs/faq.md show at the prompt is what happens."""

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", ["how-to", "faq"])
def test_the_sessions_of_the_page_run(name):
    pytest.importorskip("torch")
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    sessions = re.findall(r"^```pycon\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(sessions) > 1
    held = doctest.DocTestParser().get_doctest("\n".join(sessions), {}, name, f"docs/{name}.md", 0)
    failed, tried = doctest.DocTestRunner().run(held)
    assert tried > 3
    assert failed == 0
