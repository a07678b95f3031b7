// The values under the pointer, or under the mark that the arrow keys move over a picture: shown beside it, and said aloud.

import { el } from "./dom.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const AWAY = 14; // pixels between the mark and the values

class Probe {
  constructor() {
    this.tip = el("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    this.mark = el("div", { class: "tip-mark", hidden: true, "aria-hidden": "true" });
    this.spoken = el("p", { class: "sr", role: "status", "aria-live": "polite" });
    document.body.append(this.tip, this.mark, this.spoken);
    this.on = null; // {node, reader, x, y}
    this.byKeys = false; // the focus of a picture scrolls to it, and its mark goes along
    const scrolled = () => (this.byKeys && this.on ? this.refresh(this.on.node) : this.hide());
    window.addEventListener("scroll", scrolled, { passive: true, capture: true });
  }

  /** The reader's values are shown over `node`. `reader` is {read(x, y), move(x, y, dx, dy)}, in pixels of the node. */
  watch(node, reader) {
    node.tabIndex = 0;
    const at = (event) => {
      const area = node.getBoundingClientRect();
      this.byKeys = false;
      this.show(node, reader, event.clientX - area.left, event.clientY - area.top);
    };
    node.addEventListener("pointermove", at);
    node.addEventListener("pointerdown", at);
    node.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.hide());
    node.addEventListener("blur", () => this.hide());
    node.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape") this.hide();
      if (!(event.key in ARROWS)) return;
      event.preventDefault();
      event.stopPropagation();
      const { width, height } = node.getBoundingClientRect();
      const here = this.on?.node === node ? this.on : null;
      const [x, y] = here ? reader.move(here.x, here.y, ...ARROWS[event.key]) : (reader.begin?.() ?? [width / 2, height / 2]);
      this.byKeys = true;
      this.show(node, reader, Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1));
      this.spoken.textContent = [...this.tip.children].map((line) => line.textContent).join("; ");
    });
  }

  show(node, reader, x, y) {
    const found = reader.read(x, y);
    if (!found) {
      this.hide();
      return;
    }
    const [spotX, spotY] = found.at ?? [x, y];
    this.on = { node, reader, x: spotX, y: spotY };
    this.tip.replaceChildren(...found.lines.map((line) => el("p", {}, line)));
    this.tip.hidden = this.mark.hidden = false;
    const area = node.getBoundingClientRect();
    const [left, top] = [area.left + spotX, area.top + spotY];
    const { offsetWidth: wide, offsetHeight: tall } = this.tip;
    const right = left + AWAY + wide < document.documentElement.clientWidth - 4;
    const across = right ? left + AWAY : Math.max(4, left - AWAY - wide);
    const down = Math.min(Math.max(4, top + AWAY), window.innerHeight - tall - 4);
    this.tip.style.transform = `translate(${Math.round(across)}px, ${Math.round(down)}px)`;
    this.mark.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  hide() {
    this.on = null;
    this.tip.hidden = this.mark.hidden = true;
  }

  /** Another frame was drawn on that picture. */
  refresh(node) {
    if (this.on?.node !== node) return;
    const { reader, x, y } = this.on;
    this.show(node, reader, x, y);
  }
}

export const probe = new Probe();
