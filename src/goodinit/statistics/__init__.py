"""Statistics of a comparison that hold up: groups of runs over the same seeds, their differences, their ranking.

Functions of plain arrays, a group a row and a seed a column. No run is left out: a diverged one is the worst outcome,
one that never reaches a target is censored at its budget, and a missing score is an error. All resampling comes from
one keyed stream, so that the same numbers and seed give the same intervals, whatever was called before.
"""

from __future__ import annotations

from goodinit.statistics.aggregate import Aggregate, AggregateGroup, aggregate_tasks
from goodinit.statistics.bootstrap import bootstrap, interquartile_mean
from goodinit.statistics.columns import COLUMNS, Column
from goodinit.statistics.effects import cohens_d_z, probability_of_improvement, rank_biserial
from goodinit.statistics.estimate import Estimate
from goodinit.statistics.groups import GroupSummary, summarize
from goodinit.statistics.hypotheses import Friedman, friedman, holm, sign_flip, wilcoxon
from goodinit.statistics.pairs import EffectSizes, PairComparison, Significance, compare_pair
from goodinit.statistics.power import PowerNote, power_note
from goodinit.statistics.profiles import PerformanceProfile, performance_profile
from goodinit.statistics.ranking import RankedGroup, Ranking, compare_groups
from goodinit.statistics.rates import wilson
from goodinit.statistics.sequential import (
    SignedRankEvidence,
    adjust_evidence,
    pairs_needed,
    share_at_least,
    sign_evidence,
)
from goodinit.statistics.slopes import Slope, fit_slope
from goodinit.statistics.survival import StepsToTarget, SurvivalCurve, kaplan_meier, steps_to_target

__all__ = [
    "COLUMNS",
    "Aggregate",
    "AggregateGroup",
    "Column",
    "EffectSizes",
    "Estimate",
    "Friedman",
    "GroupSummary",
    "PairComparison",
    "PerformanceProfile",
    "PowerNote",
    "RankedGroup",
    "Ranking",
    "SignedRankEvidence",
    "Significance",
    "Slope",
    "StepsToTarget",
    "SurvivalCurve",
    "adjust_evidence",
    "aggregate_tasks",
    "bootstrap",
    "cohens_d_z",
    "compare_groups",
    "compare_pair",
    "fit_slope",
    "friedman",
    "holm",
    "interquartile_mean",
    "kaplan_meier",
    "pairs_needed",
    "performance_profile",
    "power_note",
    "probability_of_improvement",
    "rank_biserial",
    "share_at_least",
    "sign_evidence",
    "sign_flip",
    "steps_to_target",
    "summarize",
    "wilcoxon",
    "wilson",
]
