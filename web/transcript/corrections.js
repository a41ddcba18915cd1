// Corrections of one message: its content, its deletion, and feedback. Each change names the message's version.

import { ProblemError, sentenceOf } from "../api.js";
import { Field, Form } from "../forms.js";
import { deleteMessage, getMessage, updateMessage } from "../operations.js";
import { html, useState } from "../preact.js";
import { TEXTS } from "../texts.js";

/**
 * @typedef {import("../types.js").Message} Message
 * @typedef {object} Changes What a message can do besides being read.
 * @property {(message: Message) => void} onChanged
 * @property {(sequence: number) => void} onFork
 * @property {(text: string) => void} onNotice
 */

/** @param {Message} message @returns {unknown} What a person thinks of it: `up` or `down`. */
export function feedbackOf({ metadata }) {
  return metadata["feedback"];
}

/** @param {{ message: Message, session: string, changes: Changes }} props */
export function Corrections({ message, session, changes }) {
  const [dialog, setDialog] = useState("");
  const { sequence } = message;
  const close = () => setDialog("");
  /** @param {() => Promise<Message>} change If the message is another one by now, that is shown. */
  const attempt = async (change) => {
    try {
      changes.onChanged(await change());
    } catch (error) {
      if (error instanceof ProblemError && error.isConflict) {
        changes.onChanged(await getMessage(session, sequence));
        throw new Error(TEXTS.message.conflict, { cause: error });
      }
      throw error;
    }
  };
  const judge = (/** @type {"up" | "down"} */ feedback) => {
    const metadata = { feedback: feedbackOf(message) === feedback ? null : feedback };
    attempt(() => updateMessage(session, message, { metadata })).catch((error) => changes.onNotice(sentenceOf(error)));
  };
  const thumb = (/** @type {"up" | "down"} */ feedback, /** @type {string} */ text) =>
    html`<button class="quiet" aria-pressed=${feedbackOf(message) === feedback} onClick=${() => judge(feedback)}>${text}</button>`;
  return html`
    <div class="message-actions" role="group" aria-label=${TEXTS.message.actions(sequence)}>
      ${message.deletedAt === undefined &&
      html`
        ${message.role === "assistant" && [thumb("up", TEXTS.message.good), thumb("down", TEXTS.message.bad)]}
        ${textsOf(message).length > 0 &&
        html`<button class="quiet" onClick=${() => setDialog("edit")}>${TEXTS.message.edit}</button>`}
        <button class="quiet" onClick=${() => setDialog("remove")}>${TEXTS.message.remove}</button>
      `}
      <button class="quiet" onClick=${() => changes.onFork(sequence)}>${TEXTS.message.fork}</button>
    </div>
    ${dialog === "edit" &&
    html`<${EditForm} message=${message} onClose=${close}
      onSave=${(/** @type {import("../types.js").MessagePatch} */ patch) => attempt(() => updateMessage(session, message, patch))} />`}
    ${dialog === "remove" &&
    html`<${Form}
      title=${TEXTS.message.removeTitle(sequence)} action=${TEXTS.message.remove} isDangerous onClose=${close}
      onSubmit=${() => attempt(() => deleteMessage(session, message))}
    >
      <p>${TEXTS.message.removeText}</p>
    <//>`}
  `;
}

/**
 * @param {object} props
 * @param {Message} props.message
 * @param {(patch: import("../types.js").MessagePatch) => Promise<void>} props.onSave
 * @param {() => void} props.onClose
 */
function EditForm({ message, onSave, onClose }) {
  const texts = textsOf(message);
  const label = (/** @type {number} */ place) =>
    texts.length === 1 ? TEXTS.message.text : TEXTS.message.textOf(place + 1);
  return html`<${Form}
    title=${TEXTS.message.editTitle(message.sequence)} action=${TEXTS.actions.save} onClose=${onClose}
    onSubmit=${(/** @type {Record<string, string>} */ values) => onSave(patchOf(message, values))}
  >
    ${texts.map(([name, text], place) => html`<${Field} key=${name} label=${label(place)} name=${name} rows=${10} value=${text} />`)}
  <//>`;
}

/**
 * The texts of a message, each with the name of its field.
 *
 * @param {Message} message
 * @returns {[string, string][]}
 */
function textsOf({ content, parts }) {
  if (!parts?.length) {
    return [["content", content]];
  }
  return parts.flatMap((part, place) => (part.type === "text" ? [[`part-${place}`, part.text]] : []));
}

/**
 * @param {Message} message
 * @param {Record<string, string>} values By the name of their field, as a browser sends them: with CR and LF.
 * @returns {import("../types.js").MessagePatch}
 */
function patchOf({ parts }, values) {
  const value = (/** @type {string} */ name) => values[name]?.replaceAll("\r\n", "\n");
  if (!parts?.length) {
    return { content: value("content") ?? "" };
  }
  return {
    parts: parts.map((part, place) => (part.type === "text" ? { ...part, text: value(`part-${place}`) ?? part.text } : part)),
  };
}
