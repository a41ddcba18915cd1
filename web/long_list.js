// A list with a title, of which only the beginning is shown until a person asks for all.

import { html, useState } from "./preact.js";
import { TEXTS } from "./texts.js";

const MAX_ITEMS = 200;

/**
 * @template T
 * @param {object} props
 * @param {string} props.title
 * @param {T[]} props.items
 * @param {(item: T) => unknown} props.children The entry of an item.
 */
export function LongList({ title, items, children }) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? items : items.slice(0, MAX_ITEMS);
  return html`<section class="contents">
    <h2>${title} <span class="faint">${items.length}</span></h2>
    <ul class="list">${shown.map(children)}</ul>
    ${shown.length < items.length && html`<button class="more" onClick=${() => setWhole(true)}>${TEXTS.showAll(items.length)}</button>`}
  </section>`;
}
