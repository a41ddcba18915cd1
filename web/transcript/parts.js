// The parts of a message: texts as Markdown; reasoning, tools and data folded to one line each.

import { Fold } from "../fold.js";
import { html, useState } from "../preact.js";
import { indented, Text } from "../text.js";
import { TEXTS } from "../texts.js";
import { Attachment, SourceLink } from "./attachments.js";

const MAX_PARTS = 40;

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
        failure=${failures.get(part.call) ? TEXTS.message.failed : ""}
      >
        ${() => html`<${Text} text=${indented(part.input)} isPlain />`}
      <//>`;
    case "tool_result":
      return html`<${Fold}
        kind="result" label=${TEXTS.message.result} name=${names.get(part.call) ?? part.call}
        length=${part.output?.length ?? 0} failure=${part.error ? TEXTS.message.failed : ""}
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
