"""The words of the lab's page: one file a language, the same keys in both, and all of them used."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

TEXTS = Path(__file__).parents[2] / "src/goodinit/lab/static"


def test_both_languages_have_the_same_texts_and_all_are_used() -> None:
    texts = {name: json.loads((TEXTS / f"texts/{name}.json").read_text("utf-8")) for name in ("en", "zh")}
    assert list(texts["en"]) == list(texts["zh"])
    for key, english in texts["en"].items():
        assert english.strip()
        assert texts["zh"][key].strip()
        in_chinese = set(re.findall(r"\{\w+\}", texts["zh"][key]))
        assert in_chinese <= set(re.findall(r"\{\w+\}", english)) | {"{given}"}, key
    code = (TEXTS / "index.html").read_text("utf-8")
    code += "".join(path.read_text("utf-8") for path in sorted(TEXTS.glob("[ej]*/*.js")))
    made = set(re.findall(r"`([a-z]+(?:\.[a-z]+)*\.)\$\{", code))
    unused = [key for key in texts["en"] if f'"{key}"' not in code and not key.startswith(tuple(made))]
    assert unused == []
    asked = set(re.findall(r'\b(?:t|said)\((?:"[a-z]+\d?", )?"([a-z]+\.[A-Za-z.]+)"', code))
    asked |= set(re.findall(r'data-t(?:-label|-title)?="([^"]+)"', code))
    assert asked - set(texts["en"]) == set()
    assert len(asked) > 60


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_preset_is_explained_in_two_sentences(language: str) -> None:
    texts = json.loads((TEXTS / f"texts/{language}.json").read_text("utf-8"))
    reasons = {key: text for key, text in texts.items() if key.startswith("preset.") and key.endswith(".reason")}
    assert len(reasons) == 8
    for key, text in reasons.items():
        assert len(re.findall(r"[.](?= |$)|。", text)) == 2, key
