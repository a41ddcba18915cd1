// Files and sources: images that are kept here are shown, everything else is a link that a person may follow.

import { sentenceOf } from "../api.js";
import { getFile, saveFile } from "../operations.js";
import { html, useEffect, useRef, useState } from "../preact.js";
import { TEXTS } from "../texts.js";

const INLINE_IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*$/;
const KEPT_FILE = /^\/?(?:api\/v1\/)?files\/([0-9a-f]{64})$/;
const IMAGE_TYPE = /^image\/(?:png|jpeg|gif|webp)$/;
const LINK = /^https?:\/\//i;

/**
 * @typedef {Extract<import("../types.js").Part, { type: "file" }>} FilePart
 * @typedef {Extract<import("../types.js").Part, { type: "source" }>} SourcePart
 */

/** @param {{ part: FilePart }} props */
export function Attachment({ part }) {
  const name = part.name ?? part.media;
  const id = KEPT_FILE.exec(part.url)?.[1];
  if (INLINE_IMAGE.test(part.url)) {
    return html`<figure class="attachment"><img src=${part.url} alt=${name} loading="lazy" /></figure>`;
  }
  if (id && IMAGE_TYPE.test(part.media)) {
    return html`<${KeptImage} id=${id} name=${name} />`;
  }
  return id
    ? html`<${KeptFile} id=${id} name=${name} />`
    : html`<${Reference} label=${TEXTS.message.file} name=${name} url=${part.url} />`;
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

/** @param {{ id: string, name: string }} props */
function KeptFile({ id, name }) {
  const [error, setError] = useState("");
  const save = async () => saveFile(name, await getFile(id));
  return html`<p class="reference">
    <span class="fold-label">${TEXTS.message.file}</span>
    <button onClick=${() => save().catch((problem) => setError(sentenceOf(problem)))}><bdi>${shortened(name)}</bdi></button>
    ${error && html`<span class="fold-failed">${error}</span>`}
  </p>`;
}

/** @param {{ part: SourcePart }} props */
export function SourceLink({ part }) {
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
