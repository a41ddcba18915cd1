// What can be done with a session. Each change names the version that the person saw.

import { ProblemError, sentenceOf } from "../api.js";
import { Form } from "../dialog.js";
import { mayWrite } from "../key.js";
import { changeStatus, deleteSession, getMarkdown, getSession, updateSession } from "../operations.js";
import { html, useState } from "../preact.js";
import { navigate } from "../route.js";
import { TEXTS } from "../texts.js";
import { LabelsForm, RenameForm } from "./forms.js";

const ENDED = ["completed", "failed", "terminated"];

/** @typedef {import("../types.js").Session} Session */

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
  /** Do a change; if the session is another one by now, show that. @param {() => Promise<unknown>} change */
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
  const notify = (/** @type {unknown} */ error) => onNotice(sentenceOf(error));
  const move = (/** @type {"complete" | "resume"} */ to) =>
    attempt(async () => onChanged(await changeStatus(session, to))).catch(notify);
  const button = (/** @type {string} */ text, /** @type {() => void} */ onClick) =>
    html`<button onClick=${onClick}>${text}</button>`;
  const isEnded = ENDED.includes(session.status);
  return html`<div class="actions">
    <button aria-expanded=${showsBranches} onClick=${onBranches}>${TEXTS.actions.branches}</button>
    <button onClick=${() => download(session).catch(notify)}>${TEXTS.actions.export}</button>
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
    ${dialog === "rename" && html`<${RenameForm} session=${session} onChange=${change} onClose=${close} />`}
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

/** Save the transcript as Markdown. @param {Session} session */
async function download(session) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await getMarkdown(session.id));
  link.download = `${session.name ?? session.id}.md`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
