// Loads data for views: the data, its placeholder while it loads, and lists of loaded items.

import { sentenceOf } from "./api.js";
import { html, useLayoutEffect, useState } from "./preact.js";
import { TEXTS } from "./texts.js";

const MAX_ITEMS = 200;

/**
 * @template T
 * @typedef {{ value?: T, error?: unknown, reload: () => void }} Loaded
 */

/**
 * The result of `load`, which runs again when `inputs` change; the last value is kept until the new one arrives.
 *
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {unknown[]} inputs
 * @returns {Loaded<T>}
 */
export function useLoaded(load, inputs) {
  const [count, setCount] = useState(0);
  const [state, setState] = useState(/** @type {{ value?: T, error?: unknown }} */ ({}));
  // At once, and not after the frame like an effect, because the early response may already be here.
  useLayoutEffect(() => {
    const controller = new AbortController();
    load(controller.signal).then(
      (value) => !controller.signal.aborted && setState({ value }),
      (error) => !controller.signal.aborted && setState((last) => ({ ...last, error })),
    );
    return () => controller.abort();
  }, [...inputs, count]);
  return { ...state, reload: () => setCount((last) => last + 1) };
}

/** The placeholder that is shown until a view has its value. @param {{ loaded: Loaded<unknown> }} props */
export function Waiting({ loaded }) {
  if (loaded.error !== undefined) {
    return html`<div class="empty" role="alert">
      <p>${sentenceOf(loaded.error)}</p>
      <button onClick=${loaded.reload}>${TEXTS.actions.retry}</button>
    </div>`;
  }
  return html`<p class="empty is-loading" role="status">${TEXTS.loading}</p>`;
}

/**
 * The list of items that a view has loaded.
 *
 * @template T
 * @param {object} props
 * @param {Loaded<unknown>} props.loaded
 * @param {T[] | undefined} props.items The items, once they are loaded.
 * @param {string} props.none The text that replaces an empty list.
 * @param {(item: T) => unknown} props.children The entry of an item.
 */
export function LoadedList({ loaded, items, none, children }) {
  if (items === undefined) {
    return html`<${Waiting} loaded=${loaded} />`;
  }
  return items.length === 0 ? html`<p class="empty">${none}</p>` : html`<ul class="list">${items.map(children)}</ul>`;
}

/**
 * A component whose module is loaded when it is first shown.
 *
 * @param {{ load: () => Promise<(props: any) => unknown> } & Record<string, unknown>} props `load`, always the same one, and
 *   what the component gets.
 */
export function Lazy({ load, ...props }) {
  const loaded = useLoaded(load, [load]);
  return loaded.value ? html`<${loaded.value} ...${props} />` : html`<${Waiting} loaded=${loaded} />`;
}

/**
 * A list with a title; only the beginning is shown until a person opens the rest.
 *
 * @template T
 * @param {object} props
 * @param {string} props.title
 * @param {T[]} props.items
 * @param {(item: T) => unknown} props.children The entry of an item.
 */
export function LongList({ title, items, children }) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? items : items.slice(0, MAX_ITEMS);
  return html`<section class="contents">
    <h2>${title} <span class="faint">${items.length}</span></h2>
    <ul class="list">${shown.map(children)}</ul>
    ${shown.length < items.length && html`<button class="more" onClick=${() => setWhole(true)}>${TEXTS.showAll(items.length)}</button>`}
  </section>`;
}
