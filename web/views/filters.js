// The filters of the list, which are parts of its address.

import { address } from "../address.js";
import { SearchField, Select } from "../forms.js";
import { html } from "../preact.js";
import { navigate } from "../route.js";
import { TEXTS } from "../texts.js";

const TYPED = /** @type {const} */ (["name", "label", "profile", "directory"]);
const CHOSEN = /** @type {const} */ (["pinned", "archived"]);
const NAMES = [...TYPED, ...CHOSEN, "status", "sort"];
const WAIT_MS = 250;

/**
 * @param {URLSearchParams} query
 * @returns {Record<string, string>} Those that are set.
 */
export function filtersOf(query) {
  return Object.fromEntries(NAMES.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : [])));
}

/**
 * What the list is asked for. Archived sessions are left out unless the address asks for them.
 *
 * @param {Record<string, string>} filters
 */
export function queryOf({ directory, label, archived = "false", ...same }) {
  return {
    ...same,
    // While the colon is typed, and nothing after it.
    label: label?.replace(/:$/, ""),
    archived: archived === "any" ? undefined : archived,
    amplified_dir: directory,
    recursive: directory ? true : undefined,
  };
}

/** @param {{ filters: Record<string, string> }} props */
export function Filters({ filters }) {
  const set = (/** @type {string} */ name, /** @type {string} */ value) =>
    navigate(address({ ...filters, [name]: value }), { replace: true });
  const select = (/** @type {string} */ name, /** @type {string} */ label, /** @type {Record<string, string>} */ choices) =>
    html`<${Select}
      key=${name} label=${label} choices=${choices} value=${filters[name] ?? Object.keys(choices)[0]}
      onChosen=${(/** @type {string} */ value) => set(name, value)}
    />`;
  return html`<div class="filters" role="group" aria-label=${TEXTS.sessions.filters}>
    ${TYPED.map(
      (name) => html`<${SearchField}
        key=${name} label=${TEXTS.sessions[name]} value=${filters[name] ?? ""} wait=${WAIT_MS}
        onTyped=${(/** @type {string} */ value) => set(name, value)}
      />`,
    )}
    ${select("status", TEXTS.sessions.status, { "": TEXTS.sessions.any, ...TEXTS.status })}
    ${CHOSEN.map((name) => select(name, TEXTS.sessions[name], TEXTS.sessions.choices[name]))}
    ${select("sort", TEXTS.sessions.sort, TEXTS.sessions.sorts)}
  </div>`;
}
