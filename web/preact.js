// The parts of Preact and its signals that the page uses.

import { useEffect, useState } from "./vendor/htm-preact.js";
import { effect } from "./vendor/signals-core.js";

export { Component, html, render, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/htm-preact.js";
export { computed, signal } from "./vendor/signals-core.js";

/**
 * The value of a signal; the component is rendered again when it changes.
 *
 * @template T
 * @param {import("./vendor/signals-core.js").ReadonlySignal<T>} source
 * @returns {T}
 */
export function useSignal(source) {
  const [, redraw] = useState(0);
  const shown = source.peek();
  useEffect(
    () =>
      effect(() => {
        if (source.value !== shown) {
          redraw((count) => count + 1);
        }
      }),
    [source, shown],
  );
  return shown;
}
