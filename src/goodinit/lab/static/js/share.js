// What leaves the page: a link, the same experiment as Python or as a command, a picture, a report.

import { api, server } from "./backend.js";
import { byId, el } from "./dom.js";
import { figure, percent, t, whole } from "./i18n.js";
import { colour } from "./theme.js";

/** Wire the menu. `lab` gives {scene(), link(), picture()}; `say` shows a note, `refused` an error. */
export function sharing(lab, say, refused) {
  const open = byId("share");
  const list = byId("share-list");
  const show = (visible) => {
    list.hidden = !visible;
    open.setAttribute("aria-expanded", String(visible));
  };
  open.addEventListener("click", () => show(list.hidden));
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".menu")) show(false);
  });
  list.parentElement.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    show(false);
    open.focus();
  });
  const does = (id, act) =>
    byId(id).addEventListener("click", async () => {
      show(false);
      try {
        await act();
      } catch (error) {
        refused(error);
      }
    });
  does("copy-link", () => offer("share.link", lab.link()));
  does("save-picture", async () => {
    keep(await lab.picture(), "goodinit-lab.png");
    say(t("share.saved", { file: "goodinit-lab.png" }));
  });

  if (!server) for (const id of ["copy-python", "copy-command", "make-report"]) byId(id).remove();
  else wireServer();

  byId("textbox-close").addEventListener("click", () => byId("textbox").close());
  byId("textbox-copy").addEventListener("click", () => copyOut(byId("textbox-text").textContent));

  /** What goodinit itself makes of a scene. */
  function wireServer() {
    const taken = () => [lab.scene(), api.fileOf(lab.scene())];
    does("copy-python", async () => offer("share.python", await server.asPython(...taken())));
    does("copy-command", async () => offer("share.command", await server.asCommand(...taken())));
    does("make-report", async () => {
      say(t("share.reporting"));
      keep(await server.report(...taken()), "goodinit-report.html");
      say(t("share.saved", { file: "goodinit-report.html" }));
    });
  }

  async function copyOut(text) {
    try {
      await navigator.clipboard.writeText(text);
      say(t("share.copied"));
    } catch {
      say(t("share.select"));
    }
  }

  /** The text is shown as well as copied: a person sees what they take along. */
  async function offer(key, text) {
    byId("textbox-title").textContent = t(key);
    byId("textbox-text").textContent = text;
    byId("textbox").showModal();
    await copyOut(text);
  }
}

function keep(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The starts' pictures at this step on one sheet, as a PNG. */
export async function sheet(run, frame, columns) {
  columns.drawAll();
  await new Promise(requestAnimationFrame); // charts draw in a task of their own
  const [wide, gap, scale] = [360, 24, 2];
  const rows = columns.columns.map((column) => column.figures.map((each) => each.sheet()).filter((canvas) => canvas !== null));
  const tall = (canvas) => (canvas.height * wide) / canvas.width;
  const height = 96 + Math.max(...rows.map((row) => row.reduce((sum, canvas) => sum + tall(canvas) + gap, 0)));
  const width = gap + rows.length * (wide + gap);
  const paper = el("canvas", { width: width * scale, height: height * scale });
  const context = paper.getContext("2d");
  context.scale(scale, scale);
  context.fillStyle = colour("card");
  context.fillRect(0, 0, width, height);
  rows.forEach((row, k) => {
    const left = gap + k * (wide + gap);
    const now = run.frames[frame].starts[k];
    context.fillStyle = colour(`start-${k}`);
    context.font = "600 18px system-ui, sans-serif";
    context.fillText(run.starts[k].name, left, 34, wide);
    context.fillStyle = colour("muted");
    context.font = "14px system-ui, sans-serif";
    const facts = { step: whole(run.frames[frame].step), loss: figure(now.loss), train: percent(now.train_accuracy), test: percent(now.test_accuracy) };
    context.fillText(t("share.caption", facts), left, 58, wide);
    let top = 76;
    for (const canvas of row) {
      context.drawImage(canvas, left, top, wide, tall(canvas));
      top += tall(canvas) + gap;
    }
  });
  return new Promise((resolve) => paper.toBlob(resolve, "image/png"));
}
