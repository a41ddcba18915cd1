// Fields that show a value, and leave alone what a person is typing.

import { html, useEffect, useLayoutEffect, useRef } from "./preact.js";

/**
 * The element of a field that shows `value`, unless a person is in it.
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
 * A field to search with: `onTyped` gets what is in it when the typing pauses.
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
 * A field of a form, which begins with `value`.
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
