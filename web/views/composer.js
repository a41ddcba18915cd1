// The form for a new message.

import { ProblemError, sentenceOf } from "../api.js";
import { randomKey } from "../format.js";
import { sendMessage } from "../operations.js";
import { html, useRef, useState } from "../preact.js";
import { TEXTS } from "../texts.js";

/**
 * @param {object} props
 * @param {import("../types.js").Session} props.session
 * @param {number} props.count The number of messages that the page shows: the new one must follow the last of them.
 * @param {(message: import("../types.js").Message) => void} props.onSent
 */
export function Composer({ session, count, onSent }) {
  const [text, setText] = useState("");
  const [notice, setNotice] = useState("");
  const [isBusy, setBusy] = useState(false);
  // The same key for each attempt to send the same text, so that it is appended only once.
  const attempt = useRef({ text: "", key: "" });
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!text || isBusy) {
      return;
    }
    const wanted = `${count} ${text}`;
    if (attempt.current.text !== wanted) {
      attempt.current = { text: wanted, key: randomKey() };
    }
    setBusy(true);
    try {
      const message = await sendMessage(session.id, text, count + 1, attempt.current.key);
      setText("");
      setNotice("");
      onSent(message);
    } catch (error) {
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
      onInput=${(/** @type {InputEvent} */ event) => setText(/** @type {HTMLTextAreaElement} */ (event.target).value)}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) =>
        event.key === "Enter" && (event.ctrlKey || event.metaKey) && send(event)}
    ></textarea>
    <button class="primary" disabled=${!text || isBusy} title=${TEXTS.composer.hint}>${TEXTS.composer.send}</button>
  </form>`;
}
