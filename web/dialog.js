// Dialogs, which the browser keeps the focus in, and what a view says about an action.

import { sentenceOf } from "./api.js";
import { html, useEffect, useRef, useState } from "./preact.js";
import { TEXTS } from "./texts.js";

/**
 * @param {object} props
 * @param {string} props.title
 * @param {() => void} props.onClose
 * @param {unknown} props.children
 */
export function Dialog({ title, onClose, children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => element.current?.showModal(), []);
  return html`<dialog ref=${element} aria-label=${title} onClose=${onClose}>
    <h2>${title}</h2>
    ${children}
  </dialog>`;
}

/**
 * A dialog with fields: `onSubmit` gets their values, and the dialog stays with the reason if it throws.
 *
 * @param {object} props
 * @param {string} props.title
 * @param {string} props.action
 * @param {boolean} [props.isDangerous]
 * @param {(values: Record<string, string>) => Promise<unknown>} props.onSubmit
 * @param {() => void} props.onClose
 * @param {unknown} props.children
 */
export function Form({ title, action, isDangerous = false, onSubmit, onClose, children }) {
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [isBusy, setBusy] = useState(false);
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const fields = new FormData(/** @type {HTMLFormElement} */ (event.target));
    setBusy(true);
    try {
      await onSubmit(Object.fromEntries([...fields].map(([name, value]) => [name, String(value)])));
      onClose();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form onSubmit=${submit}>
      ${children}
      ${error !== null && html`<p class="notice" role="alert">${sentenceOf(error)}</p>`}
      <div class="buttons">
        <button type="button" onClick=${onClose}>${TEXTS.actions.cancel}</button>
        <button class=${isDangerous ? "dangerous" : "primary"} disabled=${isBusy}>${action}</button>
      </div>
    </form>
  <//>`;
}

/** What happened, until it is closed. @param {{ text: string, onClose: () => void }} props */
export function Notice({ text, onClose }) {
  return html`<div class="notice" role="alert">
    <p>${text}</p>
    <button class="quiet" onClick=${onClose}>${TEXTS.actions.close}</button>
  </div>`;
}
