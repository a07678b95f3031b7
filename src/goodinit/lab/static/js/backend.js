// Who trains: this page's own engine, or the server that the page came from.

/** Whether the page has no server but one of files. */
export const alone = document.querySelector('meta[name="goodinit-engine"]')?.content === "page";

export const api = await (alone ? import("../engine/local.js") : import("./api.js"));

/** Keep the page for visits without a network, where it is alone and the browser can. */
export function keep() {
  if (alone && "serviceWorker" in navigator) navigator.serviceWorker.register(new URL("../../sw.js", import.meta.url)).catch(() => null);
}
