// The page's engine, and what a server that is more than a host of files offers besides.

/** Whether the page has no server but one of files. */
export const alone = document.querySelector('meta[name="goodinit-engine"]')?.content === "page";

export const api = await import("../engine/local.js");

/** The server of `goodinit lab`; null where the page is alone. */
export const server = alone ? null : await import("./server.js");
api.begin(server);

/** Keep the page for visits without a network, where it is alone and the browser can. */
export function keep() {
  if (alone && "serviceWorker" in navigator) navigator.serviceWorker.register(new URL("../../sw.js", import.meta.url)).catch(() => null);
}
