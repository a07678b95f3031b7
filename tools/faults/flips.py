"""Flip one byte of a study's file at a time, and see what is read: every trial as it was, or said to be lost.

python tools/faults/flips.py --flips 1000
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import goodinit


def main() -> None:
    """Count the ends; exit with 1 where a trial changed in silence or anything but a GoodinitError was raised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flips", type=int, default=1000)
    given = parser.parse_args()
    rng, ends = random.Random(0), Counter()
    with tempfile.TemporaryDirectory() as folder:
        file, damaged = Path(folder) / "s.db", Path(folder) / "damaged.db"
        goodinit.compare(
            ["he_normal", "zeros"],
            data="moons(points=40)",
            steps=60,
            record_every=20,
            perturbations=0,
            seeds="0-5",
            study=file,
        )
        whole = {trial.place: trial.to_dict() for trial in goodinit.open_study(file).trials}
        content = file.read_bytes()
        for number in range(given.flips):
            changed = bytearray(content)
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            damaged.write_bytes(bytes(changed))
            try:
                ends[look(damaged, whole, Path(folder) / f"copy{number}.db")] += 1
            except Exception as error:
                ends[f"wrong: {type(error).__name__}: {error}"[:160]] += 1
    for end, count in ends.most_common():
        print(f"{count:6}  {end}")
    sys.exit(any(end.startswith("wrong") for end in ends))


def look(file: Path, whole: dict[object, object], copy: Path) -> str:
    """What was read of a damaged file, and of its copy."""
    try:
        study = goodinit.open_study(file)
        trials = {trial.place: trial.to_dict() for trial in study.trials}
    except goodinit.GoodinitError:
        return "refused in a sentence: no trial can be told from another"
    changed = [place for place, facts in trials.items() if whole.get(place) != facts]
    if changed:
        return f"wrong: {len(changed)} trials changed in silence"
    if len(trials) == len(whole):
        return "every trial read, as it was"
    if not study.notes:
        return "wrong: trials are missing, and nothing says so"
    study.copy(copy)
    kept = {trial.place: trial.to_dict() for trial in goodinit.open_study(copy).trials}
    return "some lost and said so, the rest read and copied" if kept == trials else "wrong: the copy differs"


if __name__ == "__main__":
    main()
