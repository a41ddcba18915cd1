// The form for a new message.

import { ProblemError, sentenceOf } from "../api.js";
import { randomKey } from "../format.js";
import { sendMessage } from "../operations.js";
import { html, useState } from "../preact.js";
import { TEXTS } from "../texts.js";

/** What was typed and not sent, by session, while the page is open. @type {Map<string, string>} */
const drafts = new Map();
/**
 * The request for each attempt to send a text, until there is a response, so that it is appended only once.
 *
 * @type {Map<string, { text: string, sequence: number, key: string }>}
 */
const attempts = new Map();

/**
 * @param {object} props
 * @param {import("../types.js").Session} props.session
 * @param {number} props.count The number of messages that the page shows: the new one must follow the last of them.
 * @param {(message: import("../types.js").Message) => void} props.onSent
 */
export function Composer({ session, count, onSent }) {
  const [text, setText] = useState(drafts.get(session.id) ?? "");
  const [notice, setNotice] = useState("");
  const [isBusy, setBusy] = useState(false);
  const type = (/** @type {string} */ typed) => {
    drafts.set(session.id, typed);
    setText(typed);
  };
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!text || isBusy) {
      return;
    }
    if (drafts.get(session.id) !== text) {
      // It was sent before, from where the reader was then.
      setText(drafts.get(session.id) ?? "");
      return;
    }
    let attempt = attempts.get(session.id);
    if (attempt?.text !== text) {
      attempt = { text, sequence: count + 1, key: randomKey() };
      attempts.set(session.id, attempt);
    }
    setBusy(true);
    try {
      const message = await sendMessage(session.id, text, attempt.sequence, attempt.key);
      attempts.delete(session.id);
      // More may have been typed meanwhile.
      if (drafts.get(session.id) === text) {
        type("");
      }
      setNotice("");
      onSent(message);
    } catch (error) {
      if (error instanceof ProblemError && error.status < 500) {
        attempts.delete(session.id);
      }
      setNotice(error instanceof ProblemError && error.isConflict ? TEXTS.composer.conflict : sentenceOf(error));
    } finally {
      setBusy(false);
    }
  };
  if (["completed", "failed", "terminated"].includes(session.status)) {
    return html`<p class="composer faint">${TEXTS.composer.ended}</p>`;
  }
  return html`<form class="composer" onSubmit=${send}>
    ${notice && html`<p class="notice" role="alert">${notice}</p>`}
    <textarea
      rows="1" aria-label=${TEXTS.composer.label} placeholder=${TEXTS.composer.placeholder} dir="auto" value=${text}
      onInput=${(/** @type {InputEvent} */ event) => type(/** @type {HTMLTextAreaElement} */ (event.target).value)}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) =>
        event.key === "Enter" && (event.ctrlKey || event.metaKey) && send(event)}
    ></textarea>
    <button class="primary" disabled=${!text || isBusy} title=${TEXTS.composer.hint}>${TEXTS.composer.send}</button>
  </form>`;
}
