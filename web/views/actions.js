// The actions on a session. Each change names the version that the page shows.

import { address } from "../address.js";
import { mayWrite, ProblemError, sentenceOf } from "../api.js";
import { Field, Form } from "../forms.js";
import {
  changeStatus,
  deleteSession,
  exportSession,
  getMarkdown,
  getSession,
  saveFile,
  updateSession,
} from "../operations.js";
import { html, useRef, useState } from "../preact.js";
import { navigate } from "../route.js";
import { TEXTS } from "../texts.js";

const ENDED = ["completed", "failed", "terminated"];

/** @typedef {import("../types.js").Session} Session */

/**
 * The formats of an export.
 *
 * @type {Record<string, { label: string, hint: string, suffix: string, query?: { format?: string, files?: boolean } }>}
 */
const FORMS = {
  // Without a query it is the transcript.
  markdown: { ...TEXTS.exports.markdown, suffix: "md" },
  html: { ...TEXTS.exports.html, suffix: "html", query: { format: "html" } },
  lines: { ...TEXTS.exports.lines, suffix: "ndjson", query: {} },
  files: { ...TEXTS.exports.files, suffix: "ndjson", query: { files: true } },
  openai: { ...TEXTS.exports.openai, suffix: "json", query: { format: "openai" } },
  anthropic: { ...TEXTS.exports.anthropic, suffix: "json", query: { format: "anthropic" } },
};

/**
 * @param {object} props
 * @param {Session} props.session
 * @param {(session: Session) => void} props.onChanged
 * @param {(text: string) => void} props.onNotice
 * @param {() => void} props.onBranches
 * @param {boolean} props.showsBranches
 */
export function SessionActions({ session, onChanged, onNotice, onBranches, showsBranches }) {
  const [dialog, setDialog] = useState("");
  const close = () => setDialog("");
  /** Make a change; if the session has a newer version, show that instead. @param {() => Promise<unknown>} change */
  const attempt = async (change) => {
    try {
      await change();
    } catch (error) {
      if (error instanceof ProblemError && error.isConflict) {
        onChanged(await getSession(session.id));
        throw new Error(TEXTS.actions.conflict, { cause: error });
      }
      throw error;
    }
  };
  const change = (/** @type {import("../types.js").SessionPatch} */ patch) =>
    attempt(async () => onChanged(await updateSession(session, patch)));
  const rename = (/** @type {string} */ name, /** @type {(current: Session) => boolean} */ isSame) =>
    attempt(async () => {
      // The version that the page has is older than the messages that arrived a moment ago.
      const current = await getSession(session.id);
      if (!isSame(current)) throw new ProblemError(412, "");
      onChanged(await updateSession(current, { name: name || null }));
    });
  const notify = (/** @type {unknown} */ error) => onNotice(sentenceOf(error));
  const move = (/** @type {"complete" | "resume"} */ to) =>
    attempt(async () => onChanged(await changeStatus(session, to))).catch(notify);
  const button = (/** @type {string} */ text, /** @type {() => void} */ onClick) =>
    html`<button onClick=${onClick}>${text}</button>`;
  const isEnded = ENDED.includes(session.status);
  return html`<div class="actions">
    <button aria-expanded=${showsBranches} onClick=${onBranches}>${TEXTS.actions.branches}</button>
    <a class="button" href=${address({ view: "plan", session: session.id })}>${TEXTS.actions.plan}</a>
    ${button(TEXTS.actions.export, () => setDialog("export"))}
    ${mayWrite.value &&
    html`
      ${button(TEXTS.actions.rename, () => setDialog("rename"))}
      ${button(TEXTS.actions.labels, () => setDialog("labels"))}
      ${button(session.pinned ? TEXTS.actions.unpin : TEXTS.actions.pin, () =>
        change({ pinned: !session.pinned }).catch(notify),
      )}
      ${button(session.archived ? TEXTS.actions.unarchive : TEXTS.actions.archive, () =>
        change({ archived: !session.archived }).catch(notify),
      )}
      ${isEnded ? button(TEXTS.actions.resume, () => move("resume")) : button(TEXTS.actions.complete, () => move("complete"))}
      <button class="dangerous" onClick=${() => setDialog("remove")}>${TEXTS.actions.remove}</button>
    `}
    ${dialog === "export" && html`<${ExportForm} session=${session} onClose=${close} />`}
    ${dialog === "rename" && html`<${RenameForm} session=${session} onRename=${rename} onClose=${close} />`}
    ${dialog === "labels" && html`<${LabelsForm} session=${session} onChange=${change} onClose=${close} />`}
    ${dialog === "remove" &&
    html`<${Form}
      title=${TEXTS.actions.removeTitle} action=${TEXTS.actions.remove} isDangerous onClose=${close}
      onSubmit=${() =>
        attempt(async () => {
          await deleteSession(session);
          navigate("?");
        })}
    >
      <p>${TEXTS.actions.removeText(session.messageCount)}</p>
    <//>`}
  </div>`;
}

/**
 * @typedef {object} FormProps
 * @property {import("../types.js").Session} session
 * @property {(patch: import("../types.js").SessionPatch) => Promise<void>} onChange Throws if the change is refused.
 * @property {() => void} onClose
 */

/**
 * @param {object} props
 * @param {Session} props.session
 * @param {(name: string, isSame: (current: Session) => boolean) => Promise<void>} props.onRename
 * @param {() => void} props.onClose
 */
function RenameForm({ session, onRename, onClose }) {
  // The name that a person saw. After a conflict they have seen the other one.
  const seen = useRef(session.name).current;
  const isAgain = useRef(false);
  const save = (/** @type {Record<string, string>} */ { name = "" }) =>
    onRename(name, (current) => isAgain.current || current.name === seen).catch((error) => {
      isAgain.current = error.message === TEXTS.actions.conflict;
      throw error;
    });
  return html`<${Form} title=${TEXTS.actions.rename} action=${TEXTS.actions.save} onClose=${onClose} onSubmit=${save}>
    <${Field} label=${TEXTS.sessions.name} name="name" value=${session.name ?? ""} />
  <//>`;
}

/** @param {FormProps} props */
function LabelsForm({ session, onChange, onClose }) {
  // The labels when the dialog was opened: later changes by others are kept.
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
 * The merge patch (RFC 7396) from `before` to `after`, only with labels that differ; null removes a label.
 *
 * @param {Record<string, string>} before
 * @param {Map<string, string>} after
 * @returns {Record<string, string | null>}
 */
function patchOf(before, after) {
  const removed = Object.keys(before).filter((key) => !after.has(key));
  const changed = [...after].filter(([key, value]) => !Object.hasOwn(before, key) || before[key] !== value);
  return Object.fromEntries([...removed.map((key) => /** @type {const} */ ([key, null])), ...changed]);
}

/** Exports the session as a file. @param {{ session: Session, onClose: () => void }} props */
function ExportForm({ session, onClose }) {
  const name = session.name ?? session.id;
  const save = async (/** @type {Record<string, string>} */ values) => {
    const form = FORMS[values["form"] ?? ""];
    if (!form) return;
    const content = form.query ? await exportSession(session.id, form.query) : await getMarkdown(session.id);
    saveFile(`${name}.${form.suffix}`, content);
  };
  return html`<${Form} title=${TEXTS.actions.exportTitle} action=${TEXTS.actions.export} onSubmit=${save} onClose=${onClose}>
    ${Object.entries(FORMS).map(
      ([form, { label, hint }], place) => html`<label key=${form} class="choice">
        <input type="radio" name="form" value=${form} defaultChecked=${place === 0} />
        <span>${label} <span class="faint">${hint}</span></span>
      </label>`,
    )}
  <//>`;
}
