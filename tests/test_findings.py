"""Findings as data: every code has its texts and its row in the docs, and says the same wherever it is shown."""

from __future__ import annotations

import ast
import importlib
import json
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

import goodinit
from goodinit import activations, checkup, initializers
from goodinit.comparison.rows import VERSION, Row, columns
from goodinit.findings import LANGUAGES, LIMITS, Finding, codes, texts
from goodinit.networks import MLP
from goodinit.report.page_parts import _findings as page_rows
from goodinit.results import Sensitivity, Trial
from goodinit.streams import KeyedStream

ROOT = Path(__file__).parents[1]
HOLE = re.compile(r"\{(\w+)(?::[^}]*)?\}")
GIVEN = {"where", "measured", "expected"}


def emitted():
    """Every code that the source gives a finding, with the names of its values where they are written out."""
    for file in sorted((ROOT / "src/goodinit").glob("**/*.py")):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id in ("Finding", "finding")
            ):
                continue
            code = call.args[0]
            written = [code.body, code.orelse] if isinstance(code, ast.IfExp) else [code]
            if isinstance(code, ast.Name):  # chosen a line above
                assert file.name in ("shared.py", "evidence.py")
                continue
            for each in written:
                assert isinstance(each, ast.Constant), f"{file}:{call.lineno}: the code of a finding is written out"
                yield each.value


def tables():
    """The docs of a checkup, the table of a transfer's causes, and that of an audit."""
    names = ("check.md", "transfer.md", "audit.md")
    check, transfer, audit = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in names)
    causes = transfer.partition("| finding | says |")[2].partition("## The proof")[0]
    return check + causes + audit.partition("| finding | is said where |")[2].partition("## Measured")[0]


def docs_codes(page):
    return re.findall(r"^\| `([a-z0-9-]+)` \|", page, flags=re.MULTILINE)


def test_every_code_has_its_texts_and_its_row_in_the_docs():
    assert docs_codes(tables()) == list(codes())
    assert set(emitted()) | {"vanishing-signal", "exploding-signal"} == set(codes())
    assert {code.partition("/")[0] for code in LIMITS} <= set(codes())


def test_both_languages_say_the_same_values():
    english, chinese = (texts(language) for language in LANGUAGES)
    assert list(english) == list(chinese)
    for code, entry in english.items():
        assert list(entry) == list(chinese[code]), code
        for name, text in entry.items():
            assert set(HOLE.findall(text)) == set(HOLE.findall(chinese[code][name])), (code, name)
            if code != "lists" and text != chinese[code][name]:
                assert re.search("[\u4e00-\u9fff]", chinese[code][name]), (code, name)
    with pytest.raises(goodinit.GoodinitError, match="choose one of en, zh"):
        texts("fr")


def start(init, widths=(2, 32, 32, 1), activation="relu", bias=0.0):
    network = MLP(widths, activations.get(activation), "binary_cross_entropy")
    parameters = network.parameters(initializers.get(init), KeyedStream(0))
    parameters["b2"] += bias
    X = KeyedStream(99).normal("X", 0, widths[0] * 200).reshape(widths[0], 200)
    return checkup.measure(network, parameters, X, (KeyedStream(1).signs("Y", 0, 200) > 0)[None].astype(float))


STARTS = [
    ("zeros", {}),
    ("zeros", {"activation": "tanh"}),
    ("ones", {}),
    ("normal(std=10)", {}),
    ("normal(std=1e200)", {}),
    ("normal(std=10)", {"activation": "tanh"}),
    ("normal(std=0.01)", {"widths": (2, 32, 32, 32, 32, 1)}),
    ("normal(std=2)", {"widths": (2, 32, 32, 32, 32, 1)}),
    ("he_normal", {"bias": -1000.0}),
]


@pytest.mark.parametrize(("init", "options"), STARTS)
def test_a_finding_says_the_same_after_json(init, options):
    found = checkup.findings(start(init, **options))
    assert found
    for finding in found:
        facts = json.loads(json.dumps(finding.to_dict(), allow_nan=False))
        again = Finding.from_dict(facts)
        assert facts["message"] == finding.message
        for language in LANGUAGES:
            assert again.text(language) == finding.text(language)
            assert not re.search(r"[?{}\[\]]", finding.text(language))
        assert again.values == finding.values


def test_chinese_is_made_of_the_same_values():
    found = {each.code: each.text("zh") for each in checkup.findings(start("zeros"))}
    assert found["identical-units"].startswith("第 1 个隐藏层的全部 32 个单元、第 2 个隐藏层的全部 32 个单元与同层")
    assert "只有最后的偏置 b3 能更新" in found["zero-gradient"]
    assert found["dead-units"].startswith("第 1 个隐藏层的 100%、第 2 个隐藏层的 100%已失活")


def test_many_names_are_counted():
    names = [f"blocks.{i}" for i in range(9)]
    found = Finding("unused-parameter", "warning", names[0], {"names": names})
    assert found.message.startswith("blocks.0, blocks.1, blocks.2 and 6 more took no part")
    assert found.text("zh").startswith("blocks.0、blocks.1、blocks.2、另外 6 项 没有参与")


def test_networks_are_judged_by_the_limits_of_models():
    units = LIMITS["dead-units"]
    assert [units.severity(share) for share in (0.7, 0.75, 0.95, float("nan"))] == [None, "warning", "severe", None]
    for share in (0.7, 0.8, 1.0):
        measure = start("he_normal", widths=(2, 20, 20, 1))
        first, second = measure.layers
        shown = replace(measure, layers=(first, replace(second, dead_share=share)))
        found = [f.severity for f in checkup.findings(shown) if f.code == "dead-units"]
        assert found == [each for each in (units.severity(share),) if each]


def test_half_of_relu6_at_its_zero_is_no_saturation():
    """Its lower bound holds half of all outputs of any sound start."""
    measure = start("he_normal", activation="relu6")
    assert 0.3 < measure.layers[0].saturated_share < 0.7
    assert "saturated-units" not in {f.code for f in checkup.findings(measure)}


def test_findings_keep_their_values_through_the_store(tmp_path):
    """And a study that a version before them stored is read: sentences as they were, codes as they are called now."""
    file = tmp_path / "study.db"
    options = {"steps": 200, "record_every": 50, "perturbations": 1, "study": file}
    fresh = goodinit.compare(init=["zeros", "normal(std=10)"], **options)
    stored = goodinit.compare(init=["zeros", "normal(std=10)"], **options)
    assert [t.findings for t in stored.trials] == [t.findings for t in fresh.trials]
    zeros = fresh.trials[0].findings[0]
    assert (zeros.where, zeros.measured, zeros.values["layers"][0]["units"]) == ("W1", 13.0, 10)

    database = sqlite3.connect(file)
    for row in map(Row._make, database.execute(f"SELECT {columns(VERSION)} FROM trial").fetchall()):
        facts = json.loads(row.result)
        old = [{name: finding[name] for name in ("code", "severity", "message")} for finding in facts["findings"]]
        old.append({"code": "chaotic", "severity": "warning", "message": "a curve moved"})
        row = row._replace(result=json.dumps({**facts, "findings": old})).sealed()
        database.execute("UPDATE trial SET result = ?, checksum = ? WHERE key = ?", (row.result, row.checksum, row.key))
    database.commit()
    database.close()
    again = goodinit.compare(init=["zeros", "normal(std=10)"], **options)
    for before, after in zip(fresh.trials, again.trials, strict=True):
        assert [f.message for f in after.findings] == [*(f.message for f in before.findings), "a curve moved"]
        assert after.findings[-1].code == "sensitive-to-rounding"
        assert after.findings[-1].text("zh") == "a curve moved"


def test_a_code_of_a_later_version_keeps_its_sentence():
    facts = {"code": "of-tomorrow", "severity": "info", "message": "as it was said", "values": {"a": 1}}
    assert Finding.from_dict(facts).text("zh") == "as it was said"


def trial(seed, found, sensitivity):
    return Trial(
        "t", "evaluation", "zeros", seed, 0.1, 1, (0,), (1.0,), 1.0, 0.5, 0.5, False, None, sensitivity, found, "Why."
    )


def test_the_counts_of_a_page_are_of_the_trials_that_were_asked():
    """A model's trials measure no rounding, and one trial may have two findings of a code."""
    asked = Sensitivity(1e-15, 1, (1.0,), (2.0,))
    twice = Finding("no-gradient", "warning", "a", {"names": ["a"], "share": 0.1})
    rounding = Finding("sensitive-to-rounding", "warning", measured=1.0)
    chaos = Finding("chaotic", "severe", "1", {"count": 12, "last": "12", "product": 40.0}, 1.3, 1.0)
    trials = [trial(0, (rounding, chaos, twice, twice), asked), trial(1, (chaos,), None), trial(2, (), asked)]
    seeds = {row["code"]: row["seeds"] for row in page_rows({"zeros": trials})}
    assert seeds == {"sensitive-to-rounding": "1 of 2", "chaotic": "2 of 3", "no-gradient": "1 of 3"}
    alone = page_rows({"zeros": [trial(0, (rounding,), None)]})
    assert alone[0]["seeds"] == "1 of 1"


def test_a_finding_is_added_by_its_rule_its_texts_and_its_row(monkeypatch, tmp_path):
    """And is met everywhere: terminal, notebook, JSON, report, store, lab; in both languages."""
    torch = pytest.importorskip("torch")
    said = {
        "en": "{names:list} of {measured:3g} parts hum[ in {where}]",
        "zh": "{measured:3g} 个部分中的 {names:list} 在响[，位于 {where}]",  # noqa: RUF001 (Chinese)
    }
    for language, text in said.items():
        monkeypatch.setitem(texts(language), "humming", {"text": text})

    def rule(measure):
        return Finding("humming", "warning", "W1", {"names": ["a", "b"]}, float(len(measure.layers)))

    networks, models = (importlib.import_module(f"goodinit.checkup.{name}") for name in ("findings", "model_findings"))
    monkeypatch.setattr(networks, "RULES", (*networks.RULES, rule))
    monkeypatch.setattr(models, "RULES", (*models.RULES, lambda start: [rule(start)]))
    row = "| `humming` | parts that hum | exact | none |\n"
    assert docs_codes(tables() + row) == list(codes())

    sentence, chinese = "a and b of 2 parts hum in W1", "2 个部分中的 a、b 在响，位于 W1"  # noqa: RUF001 (Chinese)
    study = tmp_path / "study.db"
    found = goodinit.compare("he_normal", steps=20, perturbations=0, study=study)
    assert found.trials[0].findings[-1].text("zh") == chinese
    assert json.loads(found.to_json())["trials"][0]["findings"][-1]["message"] == sentence
    assert sentence in page_rows({"he_normal": found.trials})[-1]["message"]
    assert goodinit.open_study(study).trials[0].findings == found.trials[0].findings

    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    checked = goodinit.check(model, torch.ones(4, 4))
    assert f"warning humming: {sentence}" in str(checked)
    assert sentence in checked._repr_html_()
    assert json.loads(checked.to_json())["findings"][-1]["values"] == {"names": ["a", "b"]}

    pytest.importorskip("fastapi")
    from goodinit.lab.catalogue import catalogue

    handed = catalogue()["findings"]["texts"]
    assert {language: handed[language]["humming"]["text"] for language in handed} == said
