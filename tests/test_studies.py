"""Studies: what a trial is, the store that keeps it, and what survives stops, kills and company."""

import json
import multiprocessing
import random
import signal
import sqlite3
import threading
import time
from contextlib import closing

import numpy as np
import pytest

import goodinit
from children import run, training
from goodinit.comparison.batches import batched
from goodinit.comparison.design import design
from goodinit.comparison.executor import LocalExecutor
from goodinit.comparison.run import run_study
from goodinit.comparison.store import Store
from goodinit.errors import GoodinitError
from goodinit.results import Study

SMALL = {"steps": 60, "perturbations": 0, "seeds": "0-3"}


def values(comparison):
    return [(trial.place, trial.final_loss, trial.loss_values) for trial in comparison.trials]


def test_a_study_runs_only_what_is_missing(tmp_path, monkeypatch):
    trained = []
    original = LocalExecutor.run

    def counting(self, batches):
        for batch, trials in original(self, batches):
            trained.extend(batch.jobs)
            yield batch, trials

    monkeypatch.setattr(LocalExecutor, "run", counting)
    whole = goodinit.compare(["zeros", "he_normal", "ones"], data="moons", **{**SMALL, "seeds": "0-5"})
    trained.clear()
    path = tmp_path / "study.db"
    goodinit.compare(["zeros", "he_normal"], data="moons", study=path, **SMALL)
    assert len(trained) == 8
    goodinit.compare(["zeros", "he_normal"], data="moons", study=path, **SMALL)
    assert len(trained) == 8
    more = goodinit.compare(["zeros", "he_normal", "ones"], data="moons", study=path, **{**SMALL, "seeds": "0-5"})
    assert len(trained) == 18
    assert values(more) == values(whole)
    assert len(goodinit.open_study(path).trials) == 18


def test_what_is_stored_is_what_was_found(tmp_path):
    in_memory = goodinit.compare(["normal(std=10)", "he_normal"], learning_rate=[0.01, 1e200], steps=50, seeds="0-1")
    stored = goodinit.compare(
        ["normal(std=10)", "he_normal"], learning_rate=[0.01, 1e200], steps=50, seeds="0-1", study=tmp_path / "s.db"
    )
    assert json.loads(stored.to_json())["trials"] == json.loads(in_memory.to_json())["trials"]
    read = goodinit.open_study(tmp_path / "s.db")
    assert {t.place: t.to_dict() for t in read.trials} == {t.place: t.to_dict() for t in stored.trials}
    assert {t.place: t.to_dict() for t in read.tuning} == {t.place: t.to_dict() for t in stored.tuning}
    assert any(trial.diverged for trial in read.tuning)
    assert [bool(t.parameters) for t in stored.trials] == [t.seed == 0 for t in stored.trials]


def test_other_data_and_other_tasks_are_refused(tmp_path):
    path = tmp_path / "study.db"
    rows = "".join(f"{i},{i % 2}\n" for i in range(40))
    (tmp_path / "a.csv").write_text("x,y\n" + rows)
    options = {"data": tmp_path / "a.csv", "target": "y", "study": path, **SMALL}
    goodinit.compare("he_normal", **options)
    (tmp_path / "a.csv").write_text("x,y\n" + rows + "3,1\n")
    with pytest.raises(GoodinitError, match="trained on other data"):
        goodinit.compare("he_normal", **options)
    (tmp_path / "a.csv").write_text("x,y\n" + rows)
    with pytest.raises(GoodinitError, match=r"has widths \[1, 10, 5, 1\], not \[1, 4, 1\]"):
        goodinit.compare("he_normal", widths=[4], **options)
    goodinit.compare("he_normal", **options)


def test_files_that_are_no_studies(tmp_path):
    (tmp_path / "text").write_text("no database, but rather long " * 100)
    with pytest.raises(GoodinitError, match="not a study of goodinit"):
        Store(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(GoodinitError, match="not a study of goodinit"):
        Store(tmp_path / "other.db")
    Store(tmp_path / "new.db").close()
    with sqlite3.connect(tmp_path / "new.db") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(GoodinitError, match="format 99"):
        Store(tmp_path / "new.db")
    with pytest.raises(GoodinitError, match="no such study"):
        goodinit.open_study(tmp_path / "none.db")
    with pytest.raises(GoodinitError, match="unable to open"):
        Store(tmp_path / "no folder" / "s.db")


def test_a_full_disk_ends_with_a_sentence_and_an_intact_store(tmp_path):
    """A bound on the file's pages stands in for the disk."""
    study = design(["he_normal"], seeds="0-63", steps=30, data="moons")
    with Store(tmp_path / "s.db") as store:
        for task in study.tasks:
            store.register(task.name, task.identity, task.to_dict())
        store._db.execute("PRAGMA max_page_count = 20")
        added = []

        def fill() -> None:
            for batch, trials in LocalExecutor().run(batched(study, study.jobs({}))):
                rows = [(study.key(job), trial, True) for job, trial in zip(batch.jobs, trials, strict=True)]
                added.append(store.add(rows))

        with pytest.raises(GoodinitError, match=r"disk is full.*intact"):
            fill()
    with Store(tmp_path / "s.db") as store:
        assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert len(store.keys()) == sum(added) > 0


def test_reading_does_not_wait_for_a_writer(tmp_path):
    path = tmp_path / "s.db"
    goodinit.compare("he_normal", study=path, **SMALL)
    with Store(path) as writer:
        writer._db.execute("BEGIN IMMEDIATE")
        assert len(goodinit.open_study(path).trials) == 4  # one that waits is refused by SQLite after a minute
        writer._db.execute("ROLLBACK")


def test_a_trial_that_cannot_be_trained_is_recorded_and_the_others_go_on(monkeypatch):
    from goodinit.comparison import executor

    original = executor.train_batch

    def failing(batch, **options):
        if any(job.seed == 2 for job in batch.jobs):
            raise ArithmeticError("planted")
        return original(batch, **options)

    monkeypatch.setattr(executor, "train_batch", failing)
    found = goodinit.compare(["zeros", "he_normal"], **SMALL)
    failed = [trial for trial in found.trials if trial.failure]
    assert [trial.place[3] for trial in failed] == [2, 2]
    assert failed[0].failure == "ArithmeticError: planted"
    assert found.ranking()["he_normal"].summary.divergence.value == 0.25
    assert "planted" in found.to_json()


def test_tuning_uses_seeds_of_its_own_and_each_start_its_best_rate():
    found = goodinit.compare(["zeros", "he_normal"], data="moons", learning_rate="auto", **SMALL)
    assert not {t.seed for t in found.tuning} & {t.seed for t in found.trials}
    assert {t.phase for t in found.tuning} == {"tuning"}
    rate = {t.initialization: t.learning_rate for t in found.trials}
    for start in ("zeros", "he_normal"):
        losses = {}
        for t in found.tuning:
            if t.initialization == start:
                losses.setdefault(t.learning_rate, []).append(np.inf if t.diverged else t.final_loss)
        assert np.median(losses[rate[start]]) == min(np.median(values) for values in losses.values())
    assert len(json.loads(found.to_json())["tuning"][0]["learning_rate"]) == 10


def test_batches_share_examples_and_order_and_stay_small():
    by_seed = design(["zeros", "ones"], seeds="0-4", data="moons")
    assert [{job.seed for job in batch.jobs} for batch in batched(by_seed, by_seed.jobs({}))] == [{s} for s in range(5)]
    together = design(["zeros", "ones"], seeds="0-4")
    assert len(batched(together, together.jobs({}))) == 1
    many = design(["zeros"], seeds="0-999")
    batches = batched(many, many.jobs({}))
    assert all(len(batch.jobs) % 16 == 0 for batch in batches[:-1])
    assert len(batches) > 5
    shuffled = design(["zeros"], seeds="0-4", batch_size=32)
    assert len(batched(shuffled, shuffled.jobs({}))) == 5


def test_a_trials_key_is_what_it_is():
    one = design(["zeros", "he_normal"], seeds="0-1")
    other = design(["he_normal"], seeds="1,7", record_every=1000)

    def keys(study: Study) -> set[str]:
        return {study.key(job) for job in study.jobs({})}

    assert len(keys(one)) == 4
    assert len(keys(one) & keys(other)) == 1
    assert not keys(one) & keys(design(["he_normal"], seeds="0-1", steps=10))
    assert not keys(one) & keys(design(["he_normal"], seeds="0-1", dtype="float32"))


def test_killed_at_random_moments_a_study_ends_as_if_it_had_not_been(tmp_path):
    """SIGKILL while it trains; what is left is an intact store that grows to exactly the uninterrupted study.

    Each kill comes after the beginning of its n-th batch of two trials, and before that of the next one: n - 1 batches
    are stored, or n. A random wait lets it come upon the training, the storing or between them.
    """
    options = ["compare", "--data", "moons", "--seeds", "0-11", "--init", "he_normal", "--init", "zeros"]
    options += ["--perturbations", "0", "--study", "s.db", "--quiet", "--json"]
    rng, stored = random.Random(0), 0
    for batches in (1, 3, 2, 2):
        with training(*options, steps=1500, most=batches, cwd=tmp_path) as command:
            command.begin(batches)
            time.sleep(0.1 * rng.random())
            assert "Traceback" not in command.end(signal.SIGKILL)[1]
        before, stored = stored, _stored(tmp_path / "s.db")
        assert stored - before in (2 * batches - 2, 2 * batches)
    assert 8 <= stored < 24
    done = run(*options, "--steps", "1500", cwd=tmp_path)
    found = {(t["initialization"], t["seed"]): t for t in json.loads(done.stdout)["trials"]}
    plain = goodinit.compare(["he_normal", "zeros"], data="moons", seeds="0-11", steps=1500, perturbations=0)
    assert {(t.initialization, t.seed): t.to_dict() for t in plain.trials} == found
    assert _stored(tmp_path / "s.db") == 24


def _stored(path):
    database = sqlite3.connect(path)
    try:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'trial'").fetchone()[0]
        return database.execute("SELECT count(*) FROM trial").fetchone()[0] if tables else 0
    finally:
        database.close()


def test_ctrl_c_says_how_to_go_on(tmp_path):
    with training("compare", "--seeds", "0-3", "--study", "s.db", steps=10_000_000, cwd=tmp_path) as command:
        command.begin()
        _, errors = command.end(signal.SIGINT)
    assert command.process.returncode == 130
    assert "the same command goes on from what s.db holds" in errors


def _work(path):
    run_study(design(["he_normal", "zeros"], data="moons", seeds="0-9", steps=200), path=path)


def test_two_processes_on_one_study_lose_nothing_and_double_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    path = str(tmp_path / "s.db")
    workers = [context.Process(target=_work, args=(path,), daemon=True) for _ in range(2)]  # ended with the tests
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    plain = goodinit.compare(["he_normal", "zeros"], data="moons", seeds="0-9", steps=200, perturbations=0)
    stored = goodinit.open_study(path).trials
    assert {t.place: t.to_dict() for t in stored} == {t.place: t.to_dict() for t in plain.trials}
    assert len(stored) == 20


def test_who_opens_a_study_while_another_makes_it_waits(tmp_path):
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")  # as in the moment in which its journal is chosen
        with (
            closing(sqlite3.connect(path, timeout=60)) as third,
            pytest.raises(sqlite3.OperationalError, match="locked"),  # at once, whatever the timeout
        ):
            third.execute("PRAGMA journal_mode = WAL")
        release = threading.Timer(0.2, lambda: other.execute("ROLLBACK"))
        release.start()
        with Store(path) as store:
            release.join()
            store.register("t", "{}", {})
            assert store.facts("t", "{}") == {}


def test_export(tmp_path):
    found = goodinit.compare(["zeros", "he_normal"], **SMALL)
    lines = found.to_csv(tmp_path / "t.csv").read_text().splitlines()
    assert len(lines) == 9
    assert lines[0].startswith("task,phase,initialization,learning_rate,seed")
    pandas = pytest.importorskip("pandas")
    frame = found.to_frame()
    assert frame.shape[0] == 8
    assert frame.final_loss.tolist() == [t.final_loss for t in found.trials]
    pytest.importorskip("pyarrow")
    assert pandas.read_parquet(found.to_parquet(tmp_path / "t.parquet")).equals(frame)


GOOD = """
init = ["zeros", "he_normal"]
seeds = "0-1"
perturbations = 0

[[task]]
name = "mine"
like = "moons"
steps = 100
widths = [3]
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("widths", "widhts", r"line 10: 'widhts' is not a key of a study; did you mean widths"),
        ("widths = [3]", 'widths = "a"', "line 10: widths = 'a' must be a list of integers"),
        ("widths = [3]", "widths = [3.5]", "line 10: widths holds 3.5"),
        ("steps = 100", "steps = true", "line 9: steps = True must be an integer"),
        ('seeds = "0-1"', "seeds = [-1]", "line 3: seeds holds -1"),
        ('init = ["zeros", "he_normal"]', "init = []", "line 2: init is an empty list"),
        ("perturbations", "perturbation", "line 4: 'perturbation' is not a key.*did you mean perturbations"),
        ('name = "mine"\n', "", r"line 6: a \[\[task\]\] needs a name"),
        ("= 100", "= = 100", "this is not TOML .*line 9"),
        ("[[task]]", "[task]", r"written \[\[task\]\]"),
    ],
)
def test_a_toml_with_a_mistake_names_key_line_and_what_is_allowed(tmp_path, old, new, message):
    from goodinit.comparison import load_study

    assert old in GOOD
    (tmp_path / "study.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(GoodinitError, match=message):
        load_study(tmp_path / "study.toml")


def test_a_toml_runs_from_the_command(tmp_path):
    (tmp_path / "study.toml").write_text(GOOD)
    done = run("compare", "study.toml", "--json", "--study", "s.db", cwd=tmp_path)
    result = json.loads(done.stdout)
    assert [task["name"] for task in result["tasks"]] == ["mine"]
    assert len(result["trials"]) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.db", "study.toml"]


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path):
    rows = "".join(f"{i},{i % 2}\n" for i in range(40))
    path = tmp_path / "a.csv"
    path.write_text("x,y\n" + rows)
    study = design(["he_normal"], data=path, target="y", seeds="0-3", steps=5)
    keys = [study.key(job) for job in study.jobs({})]
    path.write_text("x,y\n" + rows + "3,1\n")
    with pytest.raises(GoodinitError, match="changed or removed since it was first read"):
        run_study(study)
    assert [study.key(job) for job in study.jobs({})] == keys
    assert len(study.tasks[0].data.y_train) == 30
