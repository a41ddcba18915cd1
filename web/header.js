// The bar above every view. Its theme, light or dark, follows the system unless the user chose one.

import { address } from "./address.js";
import { keepKey, key, mayWrite } from "./api.js";
import { SearchField, Select } from "./forms.js";
import { SEARCH_ID } from "./keyboard.js";
import { html, signal, useSignal } from "./preact.js";
import { navigate, route } from "./route.js";
import { TEXTS } from "./texts.js";

const VIEWS = /** @type {const} */ (["sessions", "profiles", "collections", "modules", "directories", "status"]);
const TYPING_MS = 150;

const THEME = "amplifierd-theme";

/** @typedef {"system" | "light" | "dark"} Theme */

/** @returns {Theme} */
function kept() {
  const value = localStorage.getItem(THEME);
  return value === "light" || value === "dark" ? value : "system";
}

const theme = signal(kept());
show(theme.value);

/** @param {Theme} value */
function chooseTheme(value) {
  localStorage.setItem(THEME, value);
  theme.value = value;
  show(value);
}

/** @param {Theme} value */
function show(value) {
  document.documentElement.dataset["theme"] = value;
}

/** @param {{ view: string, words: string, onHelp: () => void }} props */
export function Header({ view, words, onHelp }) {
  const chosen = useSignal(theme);
  const hasKey = useSignal(key) !== "";
  const writes = useSignal(mayWrite);
  const isCurrent = (/** @type {string} */ name) => view === name || `${view}s` === name;
  return html`<header class="bar">
    <a class="brand" href="?">${TEXTS.title}</a>
    <nav aria-label=${TEXTS.nav.label}>
      ${VIEWS.map((name) => {
        const href = address({ view: name === "sessions" ? undefined : name });
        return html`<a key=${name} href=${href} aria-current=${isCurrent(name) ? "page" : undefined}>${TEXTS.nav[name]}</a>`;
      })}
    </nav>
    <${Search} words=${words} isOpen=${view === "search"} />
    <div class="tools">
      ${hasKey &&
      html`${!writes && html`<span class="faint">${TEXTS.key.readOnly}</span>`}
        <button class="quiet" onClick=${() => keepKey("")}>${TEXTS.key.forget}</button>`}
      <${Select}
        label=${TEXTS.theme.label} value=${chosen} choices=${TEXTS.theme.choices} isQuiet
        onChosen=${(/** @type {string} */ value) => chooseTheme(/** @type {Theme} */ (value))}
      />
      <button class="quiet" aria-label=${TEXTS.keys.open} title=${TEXTS.keys.open} onClick=${onHelp}>?</button>
    </div>
  </header>`;
}

/** @param {{ words: string, isOpen: boolean }} props */
function Search({ words, isOpen }) {
  const find = (/** @type {string} */ typed) => {
    if (typed || isOpen) {
      const mode = isOpen ? (route.value.query.get("mode") ?? "") : "";
      navigate(typed ? address({ view: "search", q: typed, mode }) : "?", { replace: isOpen });
    }
  };
  return html`<search>
    <${SearchField} id=${SEARCH_ID} label=${TEXTS.search.label} value=${words} wait=${TYPING_MS} onTyped=${find} />
  </search>`;
}
