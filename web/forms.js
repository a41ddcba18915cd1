// Dialogs, in which the browser keeps the focus, forms, and fields, which do not change while a person types in them.

import { sentenceOf } from "./api.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./preact.js";
import { TEXTS } from "./texts.js";

/**
 * @param {object} props
 * @param {string} props.title
 * @param {() => void} props.onClose
 * @param {unknown} props.children
 */
export function Dialog({ title, onClose, children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useLayoutEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    // The focus returns from a dialog that is closed, but not from one that is removed.
    return () => dialog?.close();
  }, []);
  return html`<dialog ref=${element} aria-label=${title} onClose=${onClose}>
    <h2>${title}</h2>
    ${children}
  </dialog>`;
}

/**
 * A dialog with fields: `onSubmit` gets their values; if it throws, the dialog stays open and shows the error.
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

/** A notice that is shown until it is closed. @param {{ text: string, onClose: () => void }} props */
export function Notice({ text, onClose }) {
  return html`<div class="notice" role="alert">
    <p>${text}</p>
    <button class="quiet" onClick=${onClose}>${TEXTS.actions.close}</button>
  </div>`;
}

/**
 * The element of a field that shows `value`, unless it has the focus.
 *
 * @template {HTMLInputElement | HTMLTextAreaElement} T
 * @param {string} value
 */
export function useShown(value) {
  const field = useRef(/** @type {T | null} */ (null));
  useLayoutEffect(() => {
    if (field.current && document.activeElement !== field.current) {
      field.current.value = value;
    }
  }, [value]);
  return field;
}

/**
 * A search field: `onTyped` gets its value when the typing pauses.
 *
 * @param {object} props
 * @param {string} props.label
 * @param {string} props.value
 * @param {number} props.wait Milliseconds.
 * @param {(value: string) => void} props.onTyped
 * @param {string} [props.id]
 */
export function SearchField({ label, value, wait, onTyped, id }) {
  const field = useShown(value);
  const timer = useRef(0);
  const typed = () => onTyped(field.current?.value.trim() ?? "");
  useEffect(() => () => clearTimeout(timer.current), []);
  return html`<input
    type="search" ref=${field} id=${id} aria-label=${label} placeholder=${label}
    maxlength="1000" autocomplete="off" spellcheck=${false}
    onInput=${() => {
      clearTimeout(timer.current);
      timer.current = window.setTimeout(typed, wait);
    }}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && typed()}
  />`;
}

/**
 * A field of a form with the initial value `value`.
 *
 * @param {object} props
 * @param {string} props.label
 * @param {string} props.name
 * @param {string} [props.value]
 * @param {number} [props.rows] Lines, if it has more than one.
 * @param {string} [props.type]
 * @param {boolean} [props.isRequired]
 */
export function Field({ label, name, value = "", rows, type = "text", isRequired = false }) {
  const field = useRef(/** @type {HTMLInputElement | HTMLTextAreaElement | null} */ (null));
  useLayoutEffect(() => {
    if (field.current) {
      field.current.value = value;
    }
  }, []);
  return html`<label class="field">
    <span>${label}</span>
    ${rows
      ? html`<textarea ref=${field} name=${name} rows=${rows} required=${isRequired} spellcheck=${false}></textarea>`
      : html`<input ref=${field} name=${name} type=${type} required=${isRequired} autocomplete="off" spellcheck=${false} />`}
  </label>`;
}

/**
 * One of several choices.
 *
 * @param {object} props
 * @param {string} props.label
 * @param {string} props.value
 * @param {Record<string, string>} props.choices The text of each value, in order.
 * @param {(value: string) => void} props.onChosen
 * @param {boolean} [props.isQuiet] Whether it looks like the text around it.
 */
export function Select({ label, value, choices, onChosen, isQuiet = false }) {
  return html`<select
    class=${isQuiet ? "quiet" : ""} aria-label=${label}
    onChange=${(/** @type {Event} */ event) => onChosen(/** @type {HTMLSelectElement} */ (event.target).value)}
  >
    ${Object.entries(choices).map(
      ([choice, text]) => html`<option key=${choice} value=${choice} selected=${choice === value}>${text}</option>`,
    )}
  </select>`;
}
