"""A statistic of the ranking is its function and one record: everything that shows a ranking takes it from there."""

import html
import re
from pathlib import Path

import pytest

import goodinit
from goodinit.statistics import COLUMNS, Column, Estimate, summarize


def lowest(group):
    """The lowest score of a group, to which nothing else in the package has a name."""
    worst = float(group.runs.filled(group.floor).min())
    return Estimate(worst, worst, worst, group.level, "exact")


@pytest.fixture
def added():
    column = Column("lowest_score", lowest, "lowest of {score}", "score", "what an unlucky seed gives", "one seed's")
    COLUMNS.append(column)
    yield column
    COLUMNS.remove(column)


def words(page):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def test_a_statistic_that_is_added_is_everywhere(added):
    result = goodinit.compare(["zeros", "he_normal"], seeds="0-5", steps=20, perturbations=0)
    ranking = result.ranking()
    worst = {name: min(t.test_score for t in result.trials if t.initialization == name) for name in ranking.names}
    assert {name: ranking[name].summary.estimate("lowest_score").value for name in ranking.names} == worst
    assert "lowest of" in str(result)
    page = words(result.report_html())
    assert "lowest of test accuracy one seed's" in page
    assert "lowest of test accuracy" in words(result._repr_html_())
    for name, value in worst.items():
        assert re.search(rf"{name} .*{value:.3f} {value:.3f} to {value:.3f}", page)
    frame = ranking.to_frame().set_index("name")
    assert frame["lowest_score"].to_dict() == worst
    groups = result.to_dict()["summary"]["tasks"][0]["ranking"]["groups"]
    assert {group["name"]: group["summary"]["lowest_score"]["value"] for group in groups} == worst


def test_the_frame_of_a_ranking_has_a_row_a_group():
    frame = goodinit.compare(["zeros", "he_normal"], seeds="0-3", steps=5, perturbations=0).ranking().to_frame()
    names = [column.name for column in COLUMNS]
    edges = [each for name in names for each in (name, f"{name}_low", f"{name}_high")]
    assert list(frame) == ["rank", "name", "runs", *edges, "not_separable_from"]
    assert set(frame["name"]) == {"zeros", "he_normal"}
    assert frame["steps"].tolist() == [float("inf")] * 2


def test_what_was_not_given_is_empty_in_a_frame():
    scores = [[0.9, 0.8, 0.85], [0.7, 0.6, 0.65]]
    frame = goodinit.statistics.compare_groups(["a", "b"], scores).to_frame()
    assert frame["success"].isna().all()
    assert frame["steps_low"].isna().all()
    assert summarize("a", scores[0]).estimate("steps") is None


def test_the_docs_have_a_row_a_statistic():
    text = (Path(__file__).parents[1] / "docs" / "studies.md").read_text(encoding="utf-8")
    assert [column.name for column in COLUMNS if column.row not in text] == []
