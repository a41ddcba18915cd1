// The address of each view. A view is in the query and a message in the fragment: every address is `/` for the server.

import { signal } from "./preact.js";

/**
 * @typedef {object} Route
 * @property {string} view
 * @property {URLSearchParams} query
 * @property {number | undefined} sequence The message that a session opens at; without it, the end.
 */

/** @returns {Route} */
function read() {
  const query = new URLSearchParams(location.search);
  const sequence = Number(/^#([0-9]{1,15})$/.exec(location.hash)?.[1] ?? 0);
  const view = query.get("view") ?? (query.has("session") ? "session" : "sessions");
  return { view, query, sequence: sequence || undefined };
}

export const route = signal(read());

/**
 * Go to an address.
 *
 * @param {string} address `?…`, or with a fragment.
 * @param {{ replace?: boolean }} [options] Whether the last address leaves the history.
 */
export function navigate(address, { replace = false } = {}) {
  // The page's own path stays, whatever it is.
  const url = new URL(address, new URL(location.pathname, location.href));
  history[replace ? "replaceState" : "pushState"](null, "", url);
  route.value = read();
}

/**
 * An address with these parameters; empty ones are left out.
 *
 * @param {Record<string, string | number | undefined>} parameters
 * @param {number} [sequence]
 */
export function address(parameters, sequence) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return `?${query}${sequence === undefined ? "" : `#${sequence}`}`;
}

/** Follow the page's links and the browser's buttons without loading the page again. */
export function listen() {
  window.addEventListener("popstate", () => {
    route.value = read();
  });
  document.addEventListener("click", (event) => {
    const target = /** @type {Element} */ (event.target);
    const href = target.closest("a[href]")?.getAttribute("href");
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (href?.startsWith("?") && isPlain) {
      event.preventDefault();
      navigate(href);
    }
  });
}
