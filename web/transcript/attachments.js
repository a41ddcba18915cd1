// Files and sources: images that are in the message are shown, everything else is a link that a person may follow.

import { html } from "../preact.js";
import { TEXTS } from "../texts.js";

const INLINE_IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*$/;
const LINK = /^https?:\/\//i;

/**
 * @typedef {Extract<import("../types.js").Part, { type: "file" }>} FilePart
 * @typedef {Extract<import("../types.js").Part, { type: "source" }>} SourcePart
 */

/** @param {{ part: FilePart }} props */
export function Attachment({ part }) {
  const name = part.name ?? part.media;
  if (INLINE_IMAGE.test(part.url)) {
    return html`<figure class="attachment">
      <img src=${part.url} alt=${part.name ?? TEXTS.message.image} loading="lazy" />
    </figure>`;
  }
  return html`<${Reference} label=${TEXTS.message.file} name=${name} url=${part.url} />`;
}

/** @param {{ part: SourcePart }} props */
export function SourceLink({ part }) {
  const name = part.title || part.name || part.url || "";
  return html`<${Reference} label=${TEXTS.message.source} name=${name} url=${part.url ?? ""} />`;
}

/** @param {{ label: string, name: string, url: string }} props */
function Reference({ label, name, url }) {
  const shown = name.length > 200 ? `${name.slice(0, 200)}…` : name;
  return html`<p class="reference">
    <span class="fold-label">${label}</span>
    ${LINK.test(url)
      ? html`<a href=${url} target="_blank" rel="noopener noreferrer nofollow"><bdi>${shown}</bdi></a>`
      : html`<bdi>${shown}</bdi>`}
  </p>`;
}
