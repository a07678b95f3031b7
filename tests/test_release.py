"""What is said of a release in more than one place is the same everywhere."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def requirements():
    groups = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][name] for name in ("lab", "ray", "torch"))]
    return dict(each.split(">=") for group in groups for each in group)


def test_the_floors_are_those_of_the_metadata():
    lines = [line for line in (ROOT / "floors.txt").read_text().splitlines() if not line.startswith("#")]
    floors = dict(line.split("==") for line in lines)
    assert set(floors) == set(requirements())
    for name, least in requirements().items():
        numbers = [*least.split("."), "0", "0"][:3]
        assert floors[name] == ".".join(numbers), name


def test_the_version_is_in_the_citation_and_the_changelog():
    version = PROJECT["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading is not None
    assert heading[1] == version


def test_the_index_shows_the_pictures_and_links_of_the_readme():
    hooks = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["metadata"]["hooks"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for change in hooks["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(change["pattern"], change["replacement"], text)
    targets = re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", text)
    assert len(targets) > 15
    own = PROJECT["urls"]["Source"]
    raw = own.replace("github.com", "raw.githubusercontent.com") + "/main/"
    for target in (one or other for one, other in targets):
        assert target.startswith("https://"), target
        for base in (f"{own}/blob/main/", raw):
            if target.startswith(base):
                assert (ROOT / target.removeprefix(base).partition("#")[0]).exists(), target
        assert target.startswith(raw) == bool(re.search(r"\.(png|svg|jpg)$", target)), target


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflows_are_yaml_with_the_least_rights(file):
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load(file.read_text())
    assert found["permissions"] == {"contents": "read"}
    assert all("uses" in job or job["runs-on"] for job in found["jobs"].values())
    for job in found["jobs"].values():
        for step in job.get("steps", []):
            made = re.findall(r"\bmake (\w+)", step.get("run", ""))
            assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for target in made)


def test_only_the_job_that_publishes_may_ask_for_an_identity():
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    assert [name for name, job in jobs.items() if "id-token" in job.get("permissions", {})] == ["publish"]
    assert set(jobs["publish"]["needs"]) == set(jobs) - {"publish"}
