// A start's numbers as tables, for those who read rather than look: every layer at this step, and the curves.

import { el } from "./dom.js";
import { Figure } from "./figure.js";
import { figure, percent, said, t, whole } from "./i18n.js";
import { LETTERS } from "./panel-starts.js";

export class TableFigure extends Figure {
  constructor(k) {
    super(k, "table.title");
    const body = el("div", { class: "tables" });
    this.body = body;
    this.node = el("details", { class: "as-table" }, said("summary", "table.title"), body);
    this.node.addEventListener("toggle", () => this.last && this.draw(...this.last));
  }

  draw(run, f) {
    this.last = [run, f];
    if (!this.node.open) return;
    const { layers } = run.frames[f].starts[this.k];
    const { expected } = run.begun[this.k];
    const beside = (side, i) => (expected?.[side] ? figure(expected[side][i], 3) : "–");
    const share = ({ counts, zero }) => percent(zero / (counts.reduce((a, b) => a + b, zero) || 1));
    const zeros = f === 0 ? ["table.theory"] : [];
    const own = (caption) => [`${LETTERS[this.k]}: ${caption}`, caption];
    this.body.replaceChildren(
      table(
        ...own(t("table.layers", { step: whole(run.frames[f].step) })),
        ["table.layer", "variance.forward", ...zeros, "variance.backward", ...zeros, "table.zeroGradients"],
        layers.map((layer, i) => [
          String(i + 1), figure(layer.forward, 3), ...(f === 0 ? [beside("forward", i)] : []),
          figure(layer.backward, 3), ...(f === 0 ? [beside("backward", i)] : []), share(layer.gradients),
        ]),
      ),
      table(
        ...own(t("table.curves")),
        ["table.step", "table.loss", "table.testLoss", "figures.train", "figures.test"],
        run.frames.map(({ step, starts }) => {
          const { loss, test_loss: test, train_accuracy: right, test_accuracy: rightTest } = starts[this.k];
          return [whole(step), figure(loss), figure(test), percent(right), percent(rightTest)];
        }),
      ),
    );
  }
}

function table(label, caption, heads, rows) {
  return el("div", { class: "table-box", tabIndex: 0, role: "region", "aria-label": label },
    el("table", {},
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, ...heads.map((key) => el("th", { scope: "col" }, t(key))))),
      el("tbody", {}, ...rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, first), ...rest.map((cell) => el("td", {}, cell)))))));
}
