// What went wrong, in the page's language: by the server's code, with what was given and what is allowed.

import { byId, el } from "./dom.js";
import { has, t, whole } from "./i18n.js";
import { keyOf } from "./state.js";

/** One sentence or two on an error that the server told. */
export function explained(error) {
  const key = `error.${error.code}`;
  const name = keyOf(error.field);
  const values = {
    field: name && has(`field.${name}`) ? t(`field.${name}`) : error.field ?? "",
    given: short(error.given), message: error.say ? t(...error.say) : error.message,
    low: shown(error.allowed?.low), high: shown(error.allowed?.high), most: shown(error.allowed?.most),
    choices: (error.allowed?.choices ?? []).slice(0, 12).join(", "),
  };
  const text = has(key) ? t(key, values) : error.message;
  return /[.。！？!?]$/.test(text) ? text : `${text}${t("sentence.end")}`;
}

const shown = (value) => (typeof value === "number" && Math.abs(value) >= 1000 && Math.abs(value) < 1e9 ? whole(value) : String(value ?? ""));
const short = (given) => {
  const text = typeof given === "string" ? given : JSON.stringify(given ?? "");
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

/** A sentence on a part of the URL that could not be read. */
export const unread = ({ key, given, why }) => t(why === "unknown" ? "url.unknown" : "url.unreadable", { key: short(key), given: short(given) });

const said = new Map(); // kind -> the messages shown, as functions that say them in the page's language

/** Messages above the pictures, each a function that says it. `kind` is error or note; a later call replaces the earlier. */
export function show(kind, messages) {
  said.set(kind, messages);
  const box = byId("messages");
  for (const old of box.querySelectorAll(`.${kind}`)) old.remove();
  for (const say of messages) {
    const close = el("button", { type: "button", class: "small", "aria-label": t("message.close") }, "×");
    const message = el("div", { class: `message ${kind}` }, el("p", {}, say()), close);
    close.addEventListener("click", () => {
      said.set(kind, said.get(kind).filter((each) => each !== say));
      message.remove();
    });
    box.append(message);
  }
}

/** All messages again, in another language. */
export function showAgain() {
  for (const [kind, messages] of said) show(kind, messages);
}
