// Corrections of one message: its content, its deletion, and feedback. Each change names the message's version.

import { ProblemError, sentenceOf } from "../api.js";
import { copyText } from "../clipboard.js";
import { Field, Form } from "../forms.js";
import { itemsOf, valueOf, withValue } from "../json_text.js";
import { deleteMessage, getMessage, getMessageText, updateMessage } from "../operations.js";
import { html, useRef, useState } from "../preact.js";
import { TEXTS } from "../texts.js";

const COPIED_MS = 1_500;

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
  const [isCopied, setCopied] = useState(false);
  const { sequence } = message;
  // What a person saw when a dialog was opened: others may change the message while it is open.
  const seen = useRef(message);
  const close = () => setDialog("");
  const open = (/** @type {string} */ name) => {
    seen.current = message;
    setDialog(name);
  };
  /** @param {() => Promise<Message>} change If the message is another one by now, that is shown. */
  const attempt = async (change) => {
    try {
      changes.onChanged(await change());
    } catch (error) {
      if (error instanceof ProblemError && error.isConflict) {
        seen.current = await getMessage(session, sequence);
        changes.onChanged(seen.current);
        throw new Error(TEXTS.message.conflict, { cause: error });
      }
      throw error;
    }
  };
  const copy = async () => {
    await copyText(textsOf(message).map(([, text]) => text).join("\n\n"));
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_MS);
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
        html`<button class="quiet" onClick=${copy}>${isCopied ? TEXTS.message.copied : TEXTS.message.copyAll}</button>
          <button class="quiet" onClick=${() => open("edit")}>${TEXTS.message.edit}</button>`}
        <button class="quiet" onClick=${() => open("remove")}>${TEXTS.message.remove}</button>
      `}
      <button class="quiet" onClick=${() => changes.onFork(sequence)}>${TEXTS.message.fork}</button>
    </div>
    ${dialog === "edit" &&
    html`<${EditForm} message=${seen.current} onClose=${close}
      onSave=${(/** @type {Map<string, string>} */ edited) => attempt(() => edit(session, seen.current, edited))} />`}
    ${dialog === "remove" &&
    html`<${Form}
      title=${TEXTS.message.removeTitle(sequence)} action=${TEXTS.message.remove} isDangerous onClose=${close}
      onSubmit=${() => attempt(() => deleteMessage(session, seen.current))}
    >
      <p>${TEXTS.message.removeText}</p>
    <//>`}
  `;
}

/**
 * @param {object} props
 * @param {Message} props.message
 * @param {(edited: Map<string, string>) => Promise<void>} props.onSave Gets the texts that were changed, by their fields.
 * @param {() => void} props.onClose
 */
function EditForm({ message, onSave, onClose }) {
  const texts = useRef(textsOf(message)).current;
  const label = (/** @type {number} */ place) =>
    texts.length === 1 ? TEXTS.message.text : TEXTS.message.textOf(place + 1);
  return html`<${Form}
    title=${TEXTS.message.editTitle(message.sequence)} action=${TEXTS.actions.save} onClose=${onClose}
    onSubmit=${(/** @type {Record<string, string>} */ values) => onSave(editedOf(texts, values))}
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
 * The texts that a person changed. A browser shows and sends other line breaks than a text may have.
 *
 * @param {[string, string][]} texts
 * @param {Record<string, string>} values By the name of their field.
 */
function editedOf(texts, values) {
  const withLF = (/** @type {string} */ text) => text.replace(/\r\n?/g, "\n");
  /** @type {Map<string, string>} */
  const edited = new Map();
  for (const [name, before] of texts) {
    const after = withLF(values[name] ?? before);
    if (after !== withLF(before)) {
      const isCRLF = before.includes("\r\n") && !/[^\r]\n/.test(before);
      edited.set(name, isCRLF ? after.replaceAll("\n", "\r\n") : after);
    }
  }
  return edited;
}

/**
 * Replace texts of a message, and nothing else of it.
 *
 * @param {string} session
 * @param {Message} message As it was shown.
 * @param {Map<string, string>} edited
 */
async function edit(session, message, edited) {
  if (edited.size === 0) {
    return message;
  }
  const fields = new Set(textsOf(message).map(([name]) => name));
  if (![...edited.keys()].every((name) => fields.has(name))) {
    throw new Error(TEXTS.message.otherParts);
  }
  if (edited.has("content")) {
    return updateMessage(session, message, { content: edited.get("content") ?? "" });
  }
  // Its parts go back as they are stored: parsed numbers would lose digits. A newer version is a conflict.
  const stored = itemsOf(valueOf(await getMessageText(session, message.sequence), "parts") ?? "[]");
  const parts = stored.map((part, place) => {
    const text = edited.get(`part-${place}`);
    return text === undefined ? part : withValue(part, "text", JSON.stringify(text));
  });
  return updateMessage(session, message, `{"parts":[${parts.join()}]}`);
}
