// The view that the page's address names, and navigation to other views.

import { readAddress } from "./address.js";
import { signal } from "./preact.js";

const SKIP_TO = "#main";

export const route = signal(readAddress());

/**
 * Go to an address.
 *
 * @param {string} address `?…`, or with a fragment.
 * @param {{ replace?: boolean }} [options] Whether the last address leaves the history.
 */
export function navigate(address, { replace = false } = {}) {
  // The path of the page does not change.
  const url = new URL(address, new URL(location.pathname, location.href));
  history[replace ? "replaceState" : "pushState"](null, "", url);
  route.value = readAddress();
}

/** Follow the page's links and the browser's buttons without loading the page again. */
export function listen() {
  window.addEventListener("popstate", () => {
    route.value = readAddress();
  });
  document.addEventListener("click", (event) => {
    const target = /** @type {Element} */ (event.target);
    const href = target.closest("a[href]")?.getAttribute("href");
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (href === SKIP_TO) {
      // The fragment of the address names a message.
      event.preventDefault();
      const first = document.querySelector(`${SKIP_TO} :is(a, button, input, [tabindex])`);
      /** @type {HTMLElement | null} */ (first)?.focus();
    } else if (href?.startsWith("?") && isPlain) {
      event.preventDefault();
      navigate(href);
    }
  });
}
