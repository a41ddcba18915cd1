// One line, with more below it that is made when it is opened.

import { size } from "./format.js";
import { html, useState } from "./preact.js";

/**
 * @param {object} props
 * @param {string} props.kind
 * @param {string} [props.label]
 * @param {string} [props.name]
 * @param {number} [props.length] Characters of what is below.
 * @param {string} [props.failure] What went wrong.
 * @param {() => unknown} props.children
 */
export function Fold({ kind, label, name, length = 0, failure = "", children }) {
  const [isOpen, setOpen] = useState(false);
  const toggled = (/** @type {Event} */ event) => setOpen(/** @type {HTMLDetailsElement} */ (event.target).open);
  return html`<details class=${`fold is-${kind}`} onToggle=${toggled}>
    <summary>
      ${label && html`<span class="fold-label">${label}</span>`}
      ${name && html`<bdi class="fold-name">${name}</bdi>`}
      ${failure && html`<span class="fold-failed">${failure}</span>`}
      ${length > 0 && html`<span class="fold-size">${size(length)}</span>`}
    </summary>
    ${isOpen && html`<div class="fold-body">${children()}</div>`}
  </details>`;
}
