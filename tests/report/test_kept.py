"""Pictures of an earlier run: taken where they were drawn from the same, and drawn again otherwise."""

import io
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

import goodinit
from goodinit.report import kept as keeping
from goodinit.report.folder import OutputFolder

drawing = sys.modules["goodinit.report.figures"]  # whose name in the package is the function
OPTIONS = {"init": ["he_normal", "zeros"], "steps": 20, "seed": 0, "perturbations": 0}


@pytest.fixture
def drawn(monkeypatch):
    """The names of the figures drawn since, where Matplotlib counts as not imported yet."""
    names = []
    monkeypatch.setattr(keeping, "sys", SimpleNamespace(modules={}))
    for name in ("loss_curves", "decision_boundaries", "fits"):
        draw = getattr(drawing, name)
        monkeypatch.setattr(drawing, name, lambda *given, draw=draw, name=name: names.append(name) or draw(*given))
    return names


def again(drawn, folder, **changed):
    """What a run drew."""
    drawn.clear()
    goodinit.compare(**{**OPTIONS, **changed}).save(folder, overwrite=True)
    return list(drawn)


def test_the_same_is_not_drawn_again(tmp_path, drawn):
    folder = tmp_path / "run"
    assert again(drawn, folder) == ["loss_curves", "decision_boundaries"]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert again(drawn, folder) == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert set(before) == {"loss.png", "decision_boundary.png", "result.json"}


@pytest.mark.parametrize(
    "changed", [{"steps": 21}, {"seed": 1}, {"init": ["zeros", "he_normal"]}, {"data": "moons"}, {"perturbations": 1}]
)
def test_another_result_is_drawn(tmp_path, drawn, changed):
    again(drawn, tmp_path / "run")
    assert again(drawn, tmp_path / "run", **changed) == ["loss_curves", "decision_boundaries"]
    assert again(drawn, tmp_path / "run", **changed) == []


def test_a_picture_that_is_gone_or_was_changed_is_drawn(tmp_path, drawn):
    folder = tmp_path / "run"
    again(drawn, folder)
    (folder / "loss.png").unlink()
    assert again(drawn, folder) == ["loss_curves"]
    content = bytearray((folder / "loss.png").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "loss.png").write_bytes(content)
    assert again(drawn, folder) == ["loss_curves"]
    (folder / "loss.png").write_bytes((folder / "loss.png").read_bytes()[:-30])
    (folder / "decision_boundary.png").write_bytes(b"")
    assert again(drawn, folder) == ["loss_curves", "decision_boundaries"]


def test_other_settings_and_other_code_draw(tmp_path, drawn, monkeypatch):
    monkeypatch.chdir(tmp_path)
    again(drawn, "run")
    (tmp_path / "matplotlibrc").write_text("font.size: 12\n")
    assert again(drawn, "run") == ["loss_curves", "decision_boundaries"]
    assert again(drawn, "run") == []
    monkeypatch.setattr(keeping, "_version", lambda package: "another")
    assert again(drawn, "run") == ["loss_curves", "decision_boundaries"]
    monkeypatch.setattr(keeping, "sys", SimpleNamespace(modules={"matplotlib": None}))
    assert again(drawn, "run") == ["loss_curves", "decision_boundaries"], "its settings may have been changed"


def test_a_numbered_folder_takes_those_of_the_one_before(tmp_path, drawn):
    result = goodinit.compare(**OPTIONS)
    for number in ("", "-2", "-3"):
        written = result.save(OutputFolder.fresh(tmp_path / "run"))
        assert written.name == f"run{number}"
    assert drawn == ["loss_curves", "decision_boundaries"]
    assert (tmp_path / "run-3" / "loss.png").read_bytes() == (tmp_path / "run" / "loss.png").read_bytes()


def test_a_signed_picture_is_the_picture():
    buffer = io.BytesIO()
    Image.effect_noise((40, 30), 20).save(buffer, "PNG")
    plain = buffer.getvalue()
    found = keeping.signed(plain, "abc")
    with Image.open(io.BytesIO(found)) as image, Image.open(io.BytesIO(plain)) as expected:
        assert image.tobytes() == expected.tobytes()
        assert image.text["goodinit"].startswith("abc ")
    assert keeping.signed(plain, None) == plain
