// Addresses of the page's views, and of the service's resources.
// A view is in the query and a message in the fragment: every address is `/` for the server.

/** Relative to the page, so that a proxy may serve it below any path. */
const API = new URL("api/v1/", document.baseURI);

/**
 * @typedef {object} Route
 * @property {string} view
 * @property {URLSearchParams} query
 * @property {number | undefined} sequence The message that a session opens at; without it, the end.
 */

/** What the page's address names. @returns {Route} */
export function readAddress() {
  const query = new URLSearchParams(location.search);
  const sequence = Number(/^#([0-9]{1,15})$/.exec(location.hash)?.[1] ?? 0);
  const view = query.get("view") ?? (query.get("session") ? "session" : "sessions");
  return { view, query, sequence: sequence || undefined };
}

/**
 * The address of a view; empty parameters are omitted.
 *
 * @param {Record<string, string | number | undefined>} parameters
 * @param {number} [sequence]
 */
export function address(parameters, sequence) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return `?${query}${sequence === undefined ? "" : `#${sequence}`}`;
}

/**
 * @typedef {Record<string, string | number | boolean | string[] | undefined>} Query Parameters; empty ones are omitted.
 *   A list repeats its parameter.
 */

/**
 * The address of a resource of the service.
 *
 * @param {string} path A path of the contract, without its first slash.
 * @param {Query} [query]
 */
export function urlOf(path, query = {}) {
  const url = new URL(path, API);
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== "") {
        url.searchParams.append(name, String(each));
      }
    }
  }
  return url.href;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Whether a text is the id of a session. @param {string} text */
export function isId(text) {
  return UUID.test(text);
}

/** @param {string} name The name or the id of a resource, as a part of a path. */
export function segment(name) {
  return name.split("/").map(encodeURIComponent).join("/");
}
