"""The kept critical variances are those that theory computes."""

import pytest

from goodinit import theory
from goodinit.errors import GoodinitError
from goodinit.initializers.critical_table import CRITICAL


@pytest.mark.parametrize("name", CRITICAL)
def test_it_is_what_theory_computes(name: str) -> None:
    if CRITICAL[name] is None:
        with pytest.raises(GoodinitError, match="no critical weight variance"):
            theory.critical_weight_variance(name)
    else:
        assert theory.critical_weight_variance(name) == pytest.approx(CRITICAL[name], rel=1e-11)
