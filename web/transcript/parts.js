// The parts of a message: texts as Markdown; reasoning, tools and data folded to one line each.

import { size } from "../format.js";
import { elementsOf } from "../markdown.js";
import { html, useLayoutEffect, useRef, useState } from "../preact.js";
import { TEXTS } from "../texts.js";
import { Attachment, SourceLink } from "./attachments.js";

const MAX_PARTS = 40;
const MAX_CHARACTERS = 12_000;

/**
 * @typedef {import("../types.js").Part} Part
 * @typedef {import("../types.js").ToolResultPart} ToolResultPart
 */

/** @param {{ parts: Part[] }} props */
export function Parts({ parts }) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? parts : parts.slice(0, MAX_PARTS);
  const failures = new Map(parts.filter(isResult).map((part) => [part.call, part.error === true]));
  const names = new Map(parts.map((part) => (part.type === "tool_call" ? [part.call, part.name] : ["", ""])));
  return html`
    ${shown.map((part, index) => html`<${OnePart} key=${index} part=${part} names=${names} failures=${failures} />`)}
    ${shown.length < parts.length &&
    html`<button onClick=${() => setWhole(true)}>${TEXTS.message.showParts(parts.length)}</button>`}
  `;
}

/** @param {Part} part @returns {part is ToolResultPart} */
function isResult(part) {
  return part.type === "tool_result";
}

/** @param {{ part: Part, names: Map<string, string>, failures: Map<string, boolean> }} props */
function OnePart({ part, names, failures }) {
  switch (part.type) {
    case "text":
      return html`<${Text} text=${part.text} isPlain=${part.call !== undefined} />`;
    case "reasoning":
      return html`<${Fold} kind="reasoning" label=${TEXTS.message.reasoning} length=${part.text.length}>
        ${() => html`<${Text} text=${part.text || TEXTS.message.hiddenReasoning} />`}
      <//>`;
    case "tool_call":
      return html`<${Fold}
        kind="call" label=${TEXTS.message.call} name=${part.name} length=${part.input.length}
        hasFailed=${failures.get(part.call) === true}
      >
        ${() => html`<${Text} text=${indented(part.input)} isPlain />`}
      <//>`;
    case "tool_result":
      return html`<${Fold}
        kind="result" label=${TEXTS.message.result} name=${names.get(part.call) ?? part.call}
        length=${part.output?.length ?? 0} hasFailed=${part.error === true}
      >
        ${() => html`<${Text} text=${indented(part.output ?? TEXTS.message.empty)} isPlain />`}
      <//>`;
    case "file":
      return html`<${Attachment} part=${part} />`;
    case "source":
      return html`<${SourceLink} part=${part} />`;
    case "data":
      return html`<${Fold} kind="data" label=${TEXTS.message.data} name=${part.kind}>
        ${() => html`<${Text} text=${JSON.stringify(part.value, null, 2)} isPlain />`}
      <//>`;
  }
}

/**
 * One line, with more below it that is made when it is opened.
 *
 * @param {object} props
 * @param {string} props.kind
 * @param {string} props.label
 * @param {string} [props.name]
 * @param {number} [props.length] Characters of what is below.
 * @param {boolean} [props.hasFailed]
 * @param {() => unknown} props.children
 */
function Fold({ kind, label, name, length = 0, hasFailed = false, children }) {
  const [isOpen, setOpen] = useState(false);
  const toggled = (/** @type {Event} */ event) => setOpen(/** @type {HTMLDetailsElement} */ (event.target).open);
  return html`<details class=${`fold is-${kind}`} onToggle=${toggled}>
    <summary>
      <span class="fold-label">${label}</span>
      ${name && html`<bdi class="fold-name">${name}</bdi>`}
      ${hasFailed && html`<span class="fold-failed">${TEXTS.message.failed}</span>`}
      ${length > 0 && html`<span class="fold-size">${size(length)}</span>`}
    </summary>
    ${isOpen && html`<div class="fold-body">${children()}</div>`}
  </details>`;
}

/** JSON on several lines, any other text as it is. @param {string} text */
function indented(text) {
  if (!/^\s*[[{]/.test(text) || text.length > 100_000) {
    return text;
  }
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/**
 * A text: as Markdown if it is short enough, else as it is, and never more of it than a person asked for.
 *
 * @param {object} props
 * @param {string} props.text
 * @param {boolean} [props.isPlain] Whether it is not Markdown, such as the output of a tool.
 */
export function Text({ text, isPlain = false }) {
  const [isWhole, setWhole] = useState(false);
  const isLong = text.length > MAX_CHARACTERS;
  const shown = isLong && !isWhole ? text.slice(0, MAX_CHARACTERS) : text;
  return html`
    ${isPlain || (isLong && isWhole) ? html`<pre class="plain" tabindex="0">${shown}</pre>` : html`<${Markdown} text=${shown} />`}
    ${isLong && !isWhole && html`<button onClick=${() => setWhole(true)}>${TEXTS.message.showAll(size(text.length))}</button>`}
  `;
}

/** @param {{ text: string }} props */
function Markdown({ text }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    element.current?.replaceChildren(elementsOf(text) ?? plain(text));
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
