"""A Ray cluster of two nodes on this machine, for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ray_studies import SIZE


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of a head and one more node, each a raylet of its own."""
    import ray
    from ray.cluster_utils import Cluster

    head = {**SIZE, "include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
    started = Cluster(initialize_head=True, head_node_args=head)
    started.add_node(**SIZE)
    # this process joins it too: a study finds its workers running
    ray.init(address=started.address, log_to_driver=False, logging_level="error", namespace="goodinit")
    yield started
    ray.shutdown()
    started.shutdown()
