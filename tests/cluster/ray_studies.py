"""Studies that the tests of a cluster train, the size of its nodes, and what is looked at in the trials."""

from children import GOODINIT

SIZE = {"num_cpus": 1, "object_store_memory": 100_000_000}
COMMAND = [*GOODINIT, "compare"]
STUDY = {"tasks": ["moons", "classic"], "steps": 60, "seeds": "0-3", "perturbations": 2}
STARTS = ["zeros", "he_normal", "normal(std=10)"]


def facts(comparison):
    return [(trial.to_dict(), {k: v.tobytes() for k, v in trial.parameters.items()}) for trial in comparison.trials]
