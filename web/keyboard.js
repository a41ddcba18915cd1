// Keyboard shortcuts.

import { route, navigate } from "./route.js";

/** The field that `/` moves the focus to. */
export const SEARCH_ID = "search";

/** @param {() => void} onHelp What `?` does. */
export function listenToKeys(onHelp) {
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) {
      return;
    }
    if (target.matches("input, textarea, select")) {
      if (event.key === "Escape") {
        target.blur();
      }
      return;
    }
    const action = actionOf(event.key, onHelp);
    if (action) {
      event.preventDefault();
      action();
    }
  });
}

/**
 * @param {string} key
 * @param {() => void} onHelp
 * @returns {(() => void) | undefined}
 */
function actionOf(key, onHelp) {
  switch (key) {
    case "/":
      return () => document.getElementById(SEARCH_ID)?.focus();
    case "?":
      return onHelp;
    case "j":
      return () => step(1);
    case "k":
      return () => step(-1);
    case "Escape":
      return route.value.view === "sessions" ? undefined : () => navigate("?");
    default:
      return undefined;
  }
}

/** To the next entry of a list, or the next message of a transcript. @param {1 | -1} direction */
function step(direction) {
  const scroller = document.querySelector(".transcript");
  if (scroller) {
    const edge = scroller.getBoundingClientRect().top + 12;
    const tops = [...scroller.querySelectorAll("[data-sequence]")].map((row) => row.getBoundingClientRect().top - edge);
    const next = direction > 0 ? tops.find((top) => top > 2) : tops.findLast((top) => top < -2);
    scroller.scrollBy({ top: next ?? 0 });
    return;
  }
  const items = [...document.querySelectorAll("[data-item]")];
  const place = items.indexOf(/** @type {Element} */ (document.activeElement));
  const next = items[place < 0 ? 0 : place + direction];
  /** @type {HTMLElement | undefined} */ (next)?.focus();
}
