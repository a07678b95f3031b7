"""What of a network and its data is drawn: the box of the plane, the layers and units, the samples, the steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit.datasets import BUILTIN, Dataset
from goodinit.networks import MLP

__all__ = ["UNIT", "View", "affordable", "moments", "view"]

MAP: Final = 48  # pixels of the decision map, a side
DEEP_MAP: Final = 32  # the same for networks of more than MANY_UNITS
MANY_UNITS: Final = 256
UNIT: Final = 12  # pixels of a unit's thumbnail, a side
FRAMES: Final = 80
FEWEST_FRAMES: Final = 24
VALUES: Final = 2e8  # of units, over examples and pixels, that a film computes
MOST_UNITS: Final = 12  # drawn of a layer
MOST_LAYERS: Final = 9  # drawn of a network: deeper ones by their first four, their last four hidden and the output
MOST_SAMPLES: Final = 40
MARGIN: Final = 0.1  # of the data's extent, around it


@dataclass(frozen=True)
class View:
    """`box` is (x0, x1, y0, y1) of data with two features; other data has `samples`, rows of its test examples.

    `size` is that of the map, in pixels a side. `drawn` maps a layer (0: the inputs) to the number of its units that
    are drawn. `image` is the shape of the inputs where they are one.
    """

    box: tuple[float, float, float, float] | None
    samples: NDArray[np.intp] | None
    drawn: dict[int, int]
    image: tuple[int, int] | None
    size: int

    def units(self, layer: int) -> int:
        """How many units of a layer are drawn: the first ones."""
        return self.drawn.get(layer, 0)

    def grid(self, size: int) -> NDArray[np.float64]:
        """The centres of size x size pixels of the box, row by row from the top, (2, pixels)."""
        assert self.box is not None
        x0, x1, y0, y1 = self.box
        centres = (np.arange(size) + 0.5) / size
        xs, ys = x0 + (x1 - x0) * centres, y1 - (y1 - y0) * centres
        return np.stack([each.ravel() for each in np.meshgrid(xs, ys)])


def view(network: MLP, data: Dataset) -> View:
    """The view of a network on that data."""
    layers = range(network.depth + 1)
    some = [*layers[:5], *layers[-5:]] if network.depth > MOST_LAYERS else layers
    drawn = {layer: min(network.widths[layer], MOST_UNITS) for layer in some}
    kind = BUILTIN.get(data.name)
    image = kind.image if kind is not None else None
    size = MAP if sum(network.widths) <= MANY_UNITS else DEEP_MAP
    if len(data.features) == 2:
        return View(_box(data), None, drawn, image, size)
    count = min(MOST_SAMPLES, len(data.y_test))
    return View(None, np.linspace(0, len(data.y_test) - 1, count).round().astype(np.intp), drawn, image, size)


def _box(data: Dataset) -> tuple[float, float, float, float]:
    points = np.vstack([data.X_train, data.X_test])
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.where(high > low, high - low, 1.0)
    low, high = low - MARGIN * extent, high + MARGIN * extent
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def affordable(network: MLP, data: Dataset, starts: int) -> int:
    """How many frames of so many starts take some two seconds to make: 80 of a small network, at least 24."""
    plane = (MAP if sum(network.widths) <= MANY_UNITS else DEEP_MAP) ** 2 if len(data.features) == 2 else 0
    values = starts * sum(network.widths) * (plane / 2 + 3 * len(data.y_train) + len(data.y_test))
    return min(FRAMES, max(FEWEST_FRAMES, int(VALUES // values)))


def moments(steps: int, most: int) -> list[int]:
    """At most so many steps from 0 to the end, close together at first, where most happens.

    >>> moments(15000, 8)
    [0, 306, 1224, 2755, 4898, 7653, 11020, 15000]
    >>> moments(3, 8)
    [0, 1, 2, 3]
    """
    last = min(most - 1, steps)
    return [max(i, round(steps * (i / last) ** 2)) for i in range(last + 1)]
