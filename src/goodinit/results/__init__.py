"""What was found: frozen records of tasks, trials, findings and forecasts. They hold, and compute nothing."""

from goodinit.findings import Finding
from goodinit.results.difference import Difference
from goodinit.results.forecast import LayerForecast
from goodinit.results.metric import CLASSIFICATION, REGRESSION, Metric, ScoreName
from goodinit.results.origin import Origin
from goodinit.results.study import Job, Study, key_of
from goodinit.results.summary import RateSummary, TaskSummary
from goodinit.results.task import Task
from goodinit.results.trial import Phase, Sensitivity, Trial

__all__ = [
    "CLASSIFICATION",
    "REGRESSION",
    "Difference",
    "Finding",
    "Job",
    "LayerForecast",
    "Metric",
    "Origin",
    "Phase",
    "RateSummary",
    "ScoreName",
    "Sensitivity",
    "Study",
    "Task",
    "TaskSummary",
    "Trial",
    "key_of",
]
