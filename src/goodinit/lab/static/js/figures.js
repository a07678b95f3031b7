// The figures of a start's column, in their order.

import { AccuracyFigure } from "./figure-accuracy.js";
import { LayersFigure } from "./figure-layers.js";
import { LossFigure } from "./figure-loss.js";
import { MapFigure } from "./figure-map.js";
import { NetworkFigure } from "./figure-network.js";
import { TableFigure } from "./figure-table.js";
import { VarianceFigure } from "./figure-variance.js";

export const FIGURES = [MapFigure, NetworkFigure, LossFigure, AccuracyFigure, LayersFigure, VarianceFigure, TableFigure];
