// How the pictures are shown: nothing here is trained again.

import { checkbox, select } from "./controls.js";
import { t } from "./i18n.js";

export function viewControls(root, look) {
  const cells = checkbox("cells", "view.cells", (value) => look((view) => (view.cells = value)));
  const wrong = checkbox("wrong", "view.wrong", (value) => look((view) => (view.wrong = value)));
  const test = checkbox("test", "view.test", (value) => look((view) => (view.test = value)));
  const links = select("links", "view.links", ["weight", "gradient"], (value) => look((view) => (view.links = value)), { text: (name) => t(`view.links.${name}`) });
  const scale = select("scale", "view.scale", ["log", "linear"], (value) => look((view) => (view.scale = value)), { text: (name) => t(`view.scale.${name}`) });
  const axes = select("axes", "view.axes", ["shared", "own"], (value) => look((view) => (view.axes = value)), { text: (name) => t(`view.axes.${name}`) });
  root.replaceChildren(cells.node, wrong.node, test.node, links.node, scale.node, axes.node);
  return {
    show(view) {
      for (const [name, control] of Object.entries({ cells, wrong, test, links, scale, axes })) control.update(view[name]);
    },
    translate() {
      links.fill();
      scale.fill();
      axes.fill();
    },
  };
}
