// A text of any length, as Markdown or plain, and a line with content below it that is rendered when it is opened.

import { size } from "./format.js";
import { elementsOf } from "./markdown.js";
import { html, useLayoutEffect, useRef, useState } from "./preact.js";
import { TEXTS } from "./texts.js";

const MAX_CHARACTERS = 12_000;
// A longer text is plain when a person opens all of it.
const MAX_MARKDOWN = 100_000;
// A text with more elements is shown as plain text, to keep long transcripts light.
const MAX_ELEMENTS = 2_000;
const MAX_WHOLE_ELEMENTS = 20_000;

/**
 * A text: as Markdown if it is short enough, else plain. Only the beginning is shown until a person opens the rest.
 *
 * @param {object} props
 * @param {string} props.text
 * @param {boolean} [props.isPlain] Whether it is not Markdown, such as the output of a tool.
 * @param {boolean} [props.isTyped] Whether a person typed it, so that each line break is one.
 */
export function Text({ text, isPlain = false, isTyped = false }) {
  const [isWhole, setWhole] = useState(false);
  const isLong = text.length > MAX_CHARACTERS;
  const shown = isLong && !isWhole ? text.slice(0, MAX_CHARACTERS) : text;
  return html`
    ${isPlain || (isWhole && text.length > MAX_MARKDOWN) ? html`<pre class="plain" tabindex="0">${shown}</pre>` : html`<${Markdown} text=${shown} isTyped=${isTyped} isWhole=${isWhole} />`}
    ${isLong && !isWhole && html`<button onClick=${() => setWhole(true)}>${TEXTS.message.showAll(size(text.length))}</button>`}
  `;
}

/** @param {{ text: string, isTyped: boolean, isWhole: boolean }} props */
function Markdown({ text, isTyped, isWhole }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    element.current?.replaceChildren(elementsOf(text, isTyped, isWhole ? MAX_WHOLE_ELEMENTS : MAX_ELEMENTS) ?? plain(text));
  }, [text]);
  return html`<div class="markdown" ref=${element}></div>`;
}

/** @param {string} text */
function plain(text) {
  const element = document.createElement("pre");
  element.className = "plain";
  element.tabIndex = 0;
  element.textContent = text;
  return element;
}

/**
 * One line, with content below it that is rendered when it is opened.
 *
 * @param {object} props
 * @param {string} props.kind
 * @param {string} [props.label]
 * @param {string} [props.name]
 * @param {number} [props.length] The number of characters in the content.
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
