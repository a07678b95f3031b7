"""What a study's file keeps and what becomes of it: formats, failures of the machine, origins, damage, archives."""

import hashlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import goodinit
from goodinit.comparison import executor
from goodinit.comparison.store import Store
from goodinit.errors import GoodinitError
from goodinit.report.columns import cell
from goodinit.statistics import COLUMNS

SMALL = {"steps": 60, "perturbations": 0, "seeds": "0-3"}
FORMAT_1 = """
CREATE TABLE task (name TEXT PRIMARY KEY, identity TEXT NOT NULL, facts TEXT NOT NULL) STRICT;
CREATE TABLE trial (
    key TEXT PRIMARY KEY, task TEXT NOT NULL REFERENCES task (name),
    phase TEXT NOT NULL CHECK (phase IN ('evaluation', 'tuning')), initialization TEXT NOT NULL,
    learning_rate REAL NOT NULL, seed INTEGER NOT NULL, result TEXT NOT NULL, parameters BLOB
) STRICT;
CREATE INDEX trial_order ON trial (task, phase, initialization, learning_rate, seed);
PRAGMA application_id = 1735356260;
PRAGMA user_version = 1;
"""


def as_format_1(path, old):
    """The study as goodinit 0.1 would have written it: without checksums, and the phase in no key."""
    new, db = sqlite3.connect(path), sqlite3.connect(old)
    db.executescript(FORMAT_1)
    identities = {}
    for name, identity, facts in new.execute("SELECT name, identity, facts FROM task"):
        identities[name] = identity
        db.execute("INSERT INTO task VALUES (?, ?, ?)", (name, identity, facts))
    query = "SELECT task, phase, initialization, learning_rate, seed, result, parameters FROM trial"
    for task, phase, init, rate, seed, result, blob in new.execute(query).fetchall():
        key = hashlib.sha256(json.dumps([identities[task], init, repr(rate), seed]).encode()).hexdigest()[:32]
        facts = {name: value for name, value in json.loads(result).items() if name != "origin"}
        db.execute(
            "INSERT INTO trial VALUES (?,?,?,?,?,?,?,?)", (key, task, phase, init, rate, seed, json.dumps(facts), blob)
        )
    db.commit()
    db.close()
    new.close()
    return old


LIMIT = TimeoutError("it took longer than the time limit of 0.2 s")


def limited(monkeypatch, seeds=(2,), error=LIMIT):
    """Training that the machine ends for some seeds while a limit stands."""
    original = executor.train_batch

    def failing(batch, **options):
        if any(job.seed in seeds and str(job.initializer) == "he_normal" for job in batch.jobs):
            raise error
        return original(batch, **options)

    monkeypatch.setattr(executor, "train_batch", failing)
    return original


def test_a_failure_of_the_machine_is_no_result_and_tried_again_without_the_limit(tmp_path, monkeypatch, capsys):
    path = tmp_path / "s.db"
    original = limited(monkeypatch)
    found = goodinit.compare(["zeros", "he_normal"], study=path, time_limit=0.2, **SMALL)
    assert [trial.seed for trial in found.trials if trial.machine_failure] == [2]
    (summary,) = found.summaries
    assert summary.untrained == (("he_normal", (2,)),)
    assert found.ranking()["he_normal"].summary.divergence.value == 0
    assert found.ranking()["he_normal"].summary.runs == found.ranking()["zeros"].summary.runs == 3
    text = str(found)
    assert "1 of 4 of he_normal; retry='failed'" in " ".join(text.split())
    assert "The 3 seeds" not in text
    assert "3 seeds that the others all have" in " ".join(text.split())
    assert "3 seeds that the others all have" in found.report_html()

    monkeypatch.setattr(executor, "train_batch", original)
    kept = goodinit.compare(["zeros", "he_normal"], study=path, time_limit=0.1, **SMALL)  # a shorter one: not again
    assert sum(trial.machine_failure for trial in kept.trials) == 1
    left = goodinit.compare(["zeros", "he_normal"], study=path, retry="never", **SMALL)
    assert sum(trial.machine_failure for trial in left.trials) == 1
    again = goodinit.compare(["zeros", "he_normal"], study=path, **SMALL)
    assert not any(trial.failure for trial in again.trials)
    assert again.summaries[0].notes == ()
    plain = goodinit.compare(["zeros", "he_normal"], **SMALL)
    assert [t.final_loss for t in again.trials] == [t.final_loss for t in plain.trials]


def test_memory_is_tried_again_when_asked_and_a_start_without_a_run_is_told(tmp_path, monkeypatch):
    path = tmp_path / "s.db"
    original = limited(monkeypatch, seeds=range(4), error=MemoryError())
    found = goodinit.compare(["zeros", "he_normal", "ones"], study=path, **SMALL)
    assert set(found.ranking().names) == {"zeros", "ones"}
    assert "he_normal: nothing is known" in found.summaries[0].notes[0]
    assert "not trained" in found.report_html()
    monkeypatch.setattr(executor, "train_batch", original)
    assert any(t.failure for t in goodinit.compare(["he_normal"], study=path, **SMALL).trials)
    assert not any(t.failure for t in goodinit.compare(["he_normal"], study=path, retry="failed", **SMALL).trials)
    with pytest.raises(GoodinitError, match="retry 'always': choose failed or never"):
        goodinit.compare(["he_normal"], study=path, retry="always", **SMALL)


def test_where_all_is_lost_to_the_machine_nothing_is_compared(monkeypatch):
    limited(monkeypatch, seeds=range(1, 4))
    found = goodinit.compare(["zeros", "he_normal"], **SMALL)
    assert found.summaries[0].ranking is None
    assert "Too few runs could be trained" in found.report_html()


def test_what_diverged_counts_as_a_fixed_floor_whoever_else_is_compared():
    options = {"tasks": "regression", "activation": "relu", "seeds": "0-5", "steps": 300, "perturbations": 0}
    two = goodinit.compare(["he_normal", "normal(std=10)"], **options)
    three = goodinit.compare(["he_normal", "normal(std=10)", "normal(std=2)"], **options)
    assert min(t.test_score for t in three.trials if not t.diverged) < 0
    pairs = [found.ranking().pair("he_normal", "normal(std=10)") for found in (two, three)]
    assert pairs[0].mean_difference == pairs[1].mean_difference
    lost = goodinit.compare(["he_normal", "normal(std=1e300)"], **options)
    gone = lost.ranking().groups[-1].summary
    assert cell(COLUMNS[0], gone) == ("all diverged", "")
    assert (gone.iqm.value, gone.iqm.method, gone.floor) == (-1, "all diverged", -1)


def test_a_study_of_format_1_is_migrated_and_its_trials_stay(tmp_path, capsys):
    options = {"learning_rate": "auto", **SMALL}
    fresh = goodinit.compare(["zeros", "he_normal"], study=tmp_path / "new.db", **options)
    old = as_format_1(tmp_path / "new.db", tmp_path / "old.db")
    read = goodinit.open_study(old)
    assert (len(read.trials), len(read.tuning), read.notes) == (8, 100, ())
    assert read.trials[0].origin is None
    capsys.readouterr()
    plans = []
    found = goodinit.compare(["zeros", "he_normal"], study=old, announce=plans.append, **options)
    assert (plans[0].trials, plans[0].stored) == (108, 108)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "format; its 108 trials stay valid" in told
    assert [t.final_loss for t in found.trials] == [t.final_loss for t in fresh.trials]
    assert goodinit.compare(["zeros", "he_normal"], study=old, **options).trials == found.trials
    assert capsys.readouterr().err == ""


def test_tuning_seeds_may_be_evaluated_too(tmp_path):
    path = tmp_path / "s.db"
    goodinit.compare("he_normal", study=path, learning_rate="auto", **SMALL)
    seeds = "1000000-1000004"
    found = goodinit.compare("he_normal", study=path, learning_rate=0.1, steps=60, perturbations=0, seeds=seeds)
    assert {trial.phase for trial in found.trials} == {"evaluation"}
    assert len(found.trials) == 5


def test_each_trial_says_what_trained_it_and_engines_are_mixed_only_when_asked(tmp_path):
    path = tmp_path / "s.db"
    found = goodinit.compare("he_normal", study=path, engine="reference", steps=60, perturbations=0, seeds="0-1")
    origin = goodinit.open_study(path).trials[0].origin
    assert (origin.engine, origin.goodinit) == ("reference", goodinit.__version__)
    assert dict(origin.packages)["numpy"] == np.__version__
    assert origin.processor
    assert json.loads(found.to_json())["trials"][0]["origin"]["engine"] == "reference"
    assert "reference" in found.to_csv(tmp_path / "t.csv").read_text()
    more = {"study": path, "engine": "lanes", "steps": 60, "perturbations": 0, "seeds": "0-3"}
    pytest.importorskip("goodinit._native")
    with pytest.raises(GoodinitError, match=r"were trained by reference \(goodinit .* and lanes .*allow it with mixed"):
        goodinit.compare("he_normal", **more)
    goodinit.compare("he_normal", **{**more, "seeds": "0-1"})  # nothing is missing
    mixed = goodinit.compare("he_normal", mixed=True, **more)
    assert "Trained by lanes" in mixed.summaries[0].notes[0]
    assert "the last digits of some may differ" in " ".join(str(mixed).split())


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("kept") / "s.db"
    goodinit.compare(["zeros", "he_normal", "ones"], study=path, data="moons", steps=60, perturbations=0, seeds="0-11")
    return path


def test_flipped_bits_are_told_and_never_become_numbers(study, tmp_path):
    """150 copies with three flipped bits each: a sentence or what was stored, never another number or a traceback."""
    before = {trial.place: trial.to_dict() for trial in goodinit.open_study(study).trials}
    content, outcomes = study.read_bytes(), {"whole": 0, "part": 0, "refused": 0}
    for number in range(150):
        rng, damaged = random.Random(number), bytearray(content)
        for _ in range(3):
            at = rng.randrange(8 * len(damaged))
            damaged[at // 8] ^= 1 << at % 8
        path = tmp_path / "d.db"
        path.write_bytes(damaged)
        try:
            read = goodinit.open_study(path)
        except GoodinitError:
            outcomes["refused"] += 1
            continue
        found = {trial.place: trial.to_dict() for trial in read.trials}
        assert all(before[place] == facts for place, facts in found.items())
        if len(found) < len(before):
            assert "lost" in read.notes[-1]
        outcomes["whole" if len(found) == len(before) else "part"] += 1
    assert outcomes["refused"] <= 15
    assert outcomes["part"] >= 50


def test_a_row_that_is_damaged_is_trained_again_and_a_broken_file_is_copied(study, tmp_path, capsys):
    path = tmp_path / "row.db"
    shutil.copy(study, path)
    db = sqlite3.connect(path)
    result = json.loads(db.execute("SELECT result FROM trial WHERE seed = 3 AND initialization = 'ones'").fetchone()[0])
    result["final_loss"] = 0.0
    db.execute("UPDATE trial SET result = ? WHERE seed = 3 AND initialization = 'ones'", (json.dumps(result),))
    db.commit()
    db.close()
    assert "1 trial is lost (ones seed 3 at 0.01 on moons), 35 can be read" in goodinit.open_study(path).notes[0]
    options = {"data": "moons", "steps": 60, "perturbations": 0, "seeds": "0-11"}
    found = goodinit.compare(["zeros", "he_normal", "ones"], study=path, **options)
    assert "what is lost is trained again" in capsys.readouterr().err
    assert all(trial.final_loss > 0 for trial in found.trials)
    assert goodinit.open_study(path).notes == ()

    broken = tmp_path / "broken.db"
    content = bytearray(study.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    page = next(at for at in range(3, len(content) // size) if content[at * size] == 13)  # a leaf of a table
    content[page * size] ^= 0xFF
    broken.write_bytes(content)
    with pytest.raises(GoodinitError, match=r"is damaged: .* lost .*copy\('new.db'\)"):
        Store(broken)
    read = goodinit.open_study(broken)
    assert 0 < len(read.trials) < 36
    read.copy(tmp_path / "new.db")
    with pytest.raises(GoodinitError, match="exists"):
        read.copy(tmp_path / "new.db")
    again = goodinit.compare(["zeros", "he_normal", "ones"], study=tmp_path / "new.db", **options)
    assert [t.final_loss for t in again.trials] == [t.final_loss for t in found.trials]


def test_missing_folders_and_what_may_not_be_read_are_told_apart(tmp_path, monkeypatch):
    with pytest.raises(GoodinitError, match="no such study"):
        goodinit.open_study(tmp_path / "none.db")
    with pytest.raises(GoodinitError, match="this is a folder"):
        goodinit.open_study(tmp_path)
    (tmp_path / "closed.db").touch()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(GoodinitError, match="may not be read"):
        goodinit.open_study(tmp_path / "closed.db")


AS_NOBODY = """
import os, sys
from pathlib import Path
import goodinit
path = Path(sys.argv[1])
goodinit.open_study(sys.argv[2])  # which imports what it needs
if os.geteuid() == 0:  # whom permissions do not bind
    os.setuid(65534)
try:
    (path.parent / "x").touch()
except PermissionError:
    sys.exit(len(goodinit.open_study(path).trials))
sys.exit(255)
"""


def test_an_archive_that_cannot_be_written_is_read(study):
    """By a user without rights to the folder: SQLite cannot make the side files that its journal wants."""
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above) / "archive"
        folder.mkdir()
        shutil.copy(study, folder / "s.db")
        for place, mode in ((folder / "s.db", 0o444), (folder, 0o555), (Path(above), 0o755)):
            place.chmod(mode)
        reader = subprocess.run([sys.executable, "-c", AS_NOBODY, folder / "s.db", study], timeout=120, check=False)
        assert reader.returncode == 36
        assert [file.name for file in folder.iterdir()] == ["s.db"]
        folder.chmod(0o755)
