// The forms that change what a session is called, and how it is found.

import { Form } from "../dialog.js";
import { Field } from "../fields.js";
import { html, useRef } from "../preact.js";
import { TEXTS } from "../texts.js";

/**
 * @typedef {object} Props
 * @property {import("../types.js").Session} session
 * @property {(patch: import("../types.js").SessionPatch) => Promise<void>} onChange Throws if the change is refused.
 * @property {() => void} onClose
 */

/** @param {Props} props */
export function RenameForm({ session, onChange, onClose }) {
  return html`<${Form}
    title=${TEXTS.actions.rename} action=${TEXTS.actions.save} onClose=${onClose}
    onSubmit=${(/** @type {Record<string, string>} */ { name }) => onChange({ name: name || null })}
  >
    <${Field} label=${TEXTS.sessions.name} name="name" value=${session.name ?? ""} />
  <//>`;
}

/** @param {Props} props */
export function LabelsForm({ session, onChange, onClose }) {
  // What the person began with: what somebody else has added since stays.
  const labels = useRef(session.labels ?? {}).current;
  const text = Object.entries(labels).map(([key, value]) => `${key}: ${value}`);
  return html`<${Form}
    title=${TEXTS.actions.labels} action=${TEXTS.actions.save} onClose=${onClose}
    onSubmit=${async (/** @type {Record<string, string>} */ values) =>
      onChange({ labels: patchOf(labels, labelsOf(values["labels"] ?? "")) })}
  >
    <${Field} label=${TEXTS.session.labels} name="labels" rows=${6} value=${text.join("\n")} />
    <p class="faint">${TEXTS.actions.labelsHint}</p>
  <//>`;
}

/**
 * @param {string} text
 * @returns {Map<string, string>}
 */
function labelsOf(text) {
  const lines = text.split("\n").map((line) => line.trim());
  return new Map(
    lines.filter(Boolean).map((line) => {
      const [, key, value] = /^([^:]*[^:\s])\s*:\s*(.+)$/.exec(line) ?? [];
      if (key === undefined || value === undefined) {
        throw new Error(TEXTS.actions.badLabel(line));
      }
      return [key, value];
    }),
  );
}

/**
 * The changes that make `after` of `before` (RFC 7396): null removes a label.
 *
 * @param {Record<string, string>} before
 * @param {Map<string, string>} after
 * @returns {Record<string, string | null>}
 */
function patchOf(before, after) {
  const removed = Object.keys(before).filter((key) => !after.has(key));
  return Object.fromEntries([...removed.map((key) => /** @type {const} */ ([key, null])), ...after]);
}
