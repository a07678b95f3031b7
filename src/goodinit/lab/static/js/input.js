// Keys and dropped files.

import { byId } from "./dom.js";

/** The keys that play, step and jump. */
export function keys(event, lab) {
  if (lab.lesson.asking || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input:not([type=range]), select, textarea, dialog, summary")) return;
  if (event.target.closest("input") && event.key !== " ") return; // a slider has keys of its own, but for the space bar
  const acts = {
    " ": () => (lab.player.playing ? lab.player.pause() : lab.player.play()),
    ArrowRight: () => lab.player.step(1),
    ArrowLeft: () => lab.player.step(-1),
    Home: () => lab.player.step(-lab.player.last),
    End: () => lab.player.go(lab.player.last),
  };
  if (!(event.key in acts) || (event.key === " " && event.target.closest("button, a"))) return;
  event.preventDefault();
  acts[event.key]();
}

/** A CSV file that is dropped on the page. */
export function dropping(lab) {
  const veil = byId("drop");
  let depth = 0;
  const files = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragenter", (event) => files(event) && ((depth += 1), (veil.hidden = false)));
  window.addEventListener("dragleave", (event) => files(event) && (depth -= 1) <= 0 && (veil.hidden = true));
  window.addEventListener("dragover", (event) => files(event) && event.preventDefault());
  window.addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    if (event.dataTransfer.files.length) lab.sendCsv(event.dataTransfer.files[0]);
  });
}
