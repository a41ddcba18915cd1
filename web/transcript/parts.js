// Renders the parts of a message: texts as Markdown; reasoning, tools and data folded to one line each. Stored images are
// shown; any other file or source is a link.

import { sentenceOf } from "../api.js";
import { indented } from "../json_text.js";
import { getFile, saveFile } from "../operations.js";
import { html, useEffect, useRef, useState } from "../preact.js";
import { Fold, Text } from "../text.js";
import { TEXTS } from "../texts.js";

const MAX_PARTS = 40;
const INLINE_IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*$/;
const KEPT_FILE = /^\/?(?:api\/v1\/)?files\/([0-9a-f]{64})$/;
const IMAGE_TYPE = /^image\/(?:png|jpeg|gif|webp)$/;
const LINK = /^https?:\/\//i;

/**
 * @typedef {import("../types.js").Part} Part
 * @typedef {import("../types.js").ToolResultPart} ToolResultPart
 * @typedef {Extract<Part, { type: "file" }>} FilePart
 * @typedef {Extract<Part, { type: "source" }>} SourcePart
 */

/**
 * The names of the tools whose results messages have, by the id of the call, for each message with results. An id may name
 * a new call later.
 *
 * @param {import("../types.js").Message[]} messages
 * @returns {Map<number, Map<string, string>>}
 */
export function toolNames(messages) {
  /** @type {Map<string, string>} */
  const called = new Map();
  const names = new Map();
  for (const { sequence, parts = [] } of messages) {
    parts.forEach((part) => part.type === "tool_call" && called.set(part.call, part.name));
    const results = parts.filter(isResult).filter(({ call }) => called.has(call));
    if (results.length) {
      names.set(sequence, new Map(results.map(({ call }) => [call, called.get(call)])));
    }
  }
  return names;
}

/** Whether a part belongs to the result of a tool. @param {Part} part */
export function isOfResult(part) {
  return part.type !== "tool_call" && "call" in part;
}

/** @param {{ parts: Part[], names?: Map<string, string>, isTyped?: boolean }} props */
export function Parts({ parts, names = new Map(), isTyped = false }) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? parts : parts.slice(0, MAX_PARTS);
  const failures = new Map(parts.filter(isResult).map((part) => [part.call, part.error === true]));
  return html`
    ${shown.map((part, index) => html`<${OnePart} key=${index} part=${part} names=${names} failures=${failures} isTyped=${isTyped} />`)}
    ${shown.length < parts.length &&
    html`<button onClick=${() => setWhole(true)}>${TEXTS.message.showParts(parts.length)}</button>`}
  `;
}

/** @param {Part} part @returns {part is ToolResultPart} */
function isResult(part) {
  return part.type === "tool_result";
}

/** @param {{ part: Part, names: Map<string, string>, failures: Map<string, boolean>, isTyped: boolean }} props */
function OnePart({ part, names, failures, isTyped }) {
  switch (part.type) {
    case "text":
      return html`<${Text} text=${part.text} isPlain=${part.call !== undefined} isTyped=${isTyped} />`;
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

/** @param {{ part: FilePart }} props */
function Attachment({ part }) {
  const name = part.name ?? part.media;
  const id = KEPT_FILE.exec(part.url)?.[1];
  if (INLINE_IMAGE.test(part.url)) {
    return html`<figure class="attachment"><img src=${part.url} alt=${name} loading="lazy" /></figure>`;
  }
  if (id && IMAGE_TYPE.test(part.media)) {
    return html`<${KeptImage} id=${id} name=${name} />`;
  }
  if (id) {
    return html`<${KeptFile} name=${name} read=${() => getFile(id)} />`;
  }
  return part.url.startsWith("data:")
    ? html`<${KeptFile} name=${name} read=${async () => bytesIn(part.url, part.media)} />`
    : html`<${Reference} label=${TEXTS.message.file} name=${name} url=${part.url} />`;
}

/**
 * The bytes in a data URL (RFC 2397).
 *
 * @param {string} url
 * @param {string} media
 */
function bytesIn(url, media) {
  const [head = "", ...body] = url.split(",");
  const text = body.join();
  const bytes = /;base64$/i.test(head)
    ? Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
    : decodeURIComponent(text);
  return new Blob([bytes], { type: media });
}

/** An image, read when it comes into view: with the key, which an address cannot hold. @param {{ id: string, name: string }} props */
function KeptImage({ id, name }) {
  const figure = useRef(/** @type {HTMLElement | null} */ (null));
  const [url, setUrl] = useState("");
  const [error, setError] = useState("");
  useEffect(() => {
    const controller = new AbortController();
    let made = "";
    const show = async () => {
      observer.disconnect();
      made = URL.createObjectURL(await getFile(id, controller.signal));
      setUrl(made);
    };
    const observer = new IntersectionObserver(
      ([entry]) =>
        entry?.isIntersecting && show().catch((problem) => !controller.signal.aborted && setError(sentenceOf(problem))),
    );
    observer.observe(/** @type {Element} */ (figure.current));
    return () => {
      controller.abort();
      observer.disconnect();
      URL.revokeObjectURL(made);
    };
  }, [id]);
  return html`<figure class="attachment" ref=${figure}>
    ${url ? html`<img src=${url} alt=${name} />` : html`<figcaption class="faint"><bdi>${error || name}</bdi></figcaption>`}
  </figure>`;
}

/** @param {{ name: string, read: () => Promise<Blob> }} props */
function KeptFile({ name, read }) {
  const [error, setError] = useState("");
  const save = async () => saveFile(name, await read());
  return html`<p class="reference">
    <span class="fold-label">${TEXTS.message.file}</span>
    <button onClick=${() => save().catch((problem) => setError(sentenceOf(problem)))}><bdi>${shortened(name)}</bdi></button>
    ${error && html`<span class="fold-failed">${error}</span>`}
  </p>`;
}

/** @param {{ part: SourcePart }} props */
function SourceLink({ part }) {
  const name = part.title || part.name || part.url || "";
  return html`<${Reference} label=${TEXTS.message.source} name=${name} url=${part.url ?? ""} />`;
}

/** @param {{ label: string, name: string, url: string }} props */
function Reference({ label, name, url }) {
  return html`<p class="reference">
    <span class="fold-label">${label}</span>
    ${LINK.test(url)
      ? html`<a href=${url} target="_blank" rel="noopener noreferrer nofollow"><bdi>${shortened(name)}</bdi></a>`
      : html`<bdi>${shortened(name)}</bdi>`}
  </p>`;
}

/** @param {string} name */
function shortened(name) {
  return name.length > 200 ? `${name.slice(0, 200)}…` : name;
}
