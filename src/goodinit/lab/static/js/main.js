// The page is opened: its words, its catalogue, and who listens to what.

import { Refused } from "../engine/refused.js";
import { api, keep } from "./backend.js";
import { byId } from "./dom.js";
import { learn } from "./findings.js";
import { LANGUAGES, preferred, use } from "./i18n.js";
import { dropping, keys } from "./input.js";
import { Lab } from "./lab.js";
import { show } from "./messages.js";
import { sharing, sheet } from "./share.js";
import { follow } from "./theme.js";

const ROOMY = 960; // pixels of a window where all controls are unfolded

async function open() {
  const [catalogue] = await Promise.all([api.catalogue(), use(preferred())]);
  learn(catalogue.findings.texts);
  const lab = new Lab(catalogue);
  lab.translate();
  follow(byId("theme"), () => lab.recolour());
  for (const each of LANGUAGES) byId(`lang-${each}`).addEventListener("click", () => lab.speak(each, true));
  byId("play").addEventListener("click", () => (lab.player.playing ? lab.player.pause() : lab.player.play()));
  byId("step").addEventListener("click", () => lab.player.step(1));
  byId("back").addEventListener("click", () => lab.player.step(-1));
  byId("reset").addEventListener("click", () => lab.player.step(-lab.player.last));
  byId("scrub").addEventListener("input", () => lab.player.go(Number(byId("scrub").value)));
  byId("speed").addEventListener("change", () => (lab.player.speed = Number(byId("speed").value)));
  window.addEventListener("popstate", () => lab.restore());
  document.addEventListener("keydown", (event) => keys(event, lab));
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the link's text after its # is the scene
    byId("pictures").focus();
  });
  dropping(lab);
  sharing(
    {
      scene: () => lab.scene,
      link: () => new URL(lab.address(), lab.catalogue.link_base ?? location.href).href,
      picture: () => sheet(lab.run, lab.player.frame, lab.columns),
    },
    (text) => {
      show("note", [() => text]);
      lab.status(text);
    },
    (error) => (error instanceof Refused ? lab.refused(error) : Promise.reject(error)),
  );
  if (window.innerHeight < ROOMY) for (const each of [...byId("controls").querySelectorAll(".group")].slice(1)) each.open = false;
  const panelBox = byId("panel");
  const wide = window.matchMedia("(min-width: 60rem)");
  const fold = () => (panelBox.open = wide.matches);
  wide.addEventListener("change", fold);
  fold();
  await lab.restore();
}

keep();
open().catch((error) => {
  document.body.classList.remove("opening");
  show("error", [() => error.message]);
  throw error;
});
