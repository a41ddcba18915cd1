// The directories in which sessions work.

import { address } from "../address.js";
import { mayWrite } from "../api.js";
import { Field, Form } from "../forms.js";
import { LoadedList, useLoaded } from "../loading.js";
import { createDirectory, listDirectories, updateDirectory } from "../operations.js";
import { html, useState } from "../preact.js";
import { TEXTS } from "../texts.js";

/** @typedef {import("../types.js").AmplifiedDirectory} AmplifiedDirectory */

export function DirectoriesView() {
  const loaded = useLoaded((signal) => listDirectories(signal), []);
  const [edited, setEdited] = useState(/** @type {AmplifiedDirectory | "new" | null} */ (null));
  const close = () => setEdited(null);
  const create = async (/** @type {Record<string, string>} */ { path = "", file = "" }) => {
    const body = bodyOf(objectOf(file));
    Object.entries(body.metadata).forEach(([name, value]) => check(name, value, true));
    await createDirectory({ relative_path: path, create_marker: true, ...body });
    loaded.reload();
  };
  return html`<div class="column">
    <div class="title">
      <h1>${TEXTS.directories.title}</h1>
      ${mayWrite.value && html`<button class="primary" onClick=${() => setEdited("new")}>${TEXTS.directories.create}</button>`}
    </div>
    <${LoadedList} loaded=${loaded} items=${loaded.value} none=${TEXTS.directories.none}>
      ${(/** @type {AmplifiedDirectory} */ one) =>
        html`<li key=${one.relativePath}><${Row} directory=${one} onEdit=${() => setEdited(one)} /></li>`}
    <//>
    ${edited === "new" &&
    html`<${Form} title=${TEXTS.directories.create} action=${TEXTS.actions.save} onSubmit=${create} onClose=${close}>
      <${Field} label=${TEXTS.directories.path} name="path" isRequired />
      <p class="faint">${TEXTS.directories.fileHint}</p>
      <${Field} label=${TEXTS.directories.file} name="file" rows=${8} value="{}" isRequired />
    <//>`}
    ${edited !== null && edited !== "new" && html`<${Edit} directory=${edited} onSaved=${loaded.reload} onClose=${close} />`}
  </div>`;
}

/** @param {{ directory: AmplifiedDirectory, onEdit: () => void }} props */
function Row({ directory, onEdit }) {
  const { relativePath, defaultProfile, defaultProfileFrom, sessionCount } = directory;
  const isInherited = defaultProfileFrom !== undefined && defaultProfileFrom !== relativePath;
  return html`<div class="row">
    <a class="row-main" href=${address({ directory: relativePath })} data-item><bdi class="name path">${relativePath}</bdi></a>
    <span class="row-side">
      ${mayWrite.value && html`<button class="quiet" onClick=${onEdit}>${TEXTS.directories.edit}</button>`}
    </span>
    <span class="row-details">
      <span>${TEXTS.directories.sessions(sessionCount)}</span>
      ${defaultProfile && html`<bdi>${defaultProfile}</bdi>`}
      ${isInherited && html`<bdi>${TEXTS.directories.inherited(defaultProfileFrom)}</bdi>`}
    </span>
  </div>`;
}

/** @param {{ directory: AmplifiedDirectory, onSaved: () => void, onClose: () => void }} props */
function Edit({ directory, onSaved, onClose }) {
  const before = fileOf(directory);
  const save = async (/** @type {Record<string, string>} */ { file = "" }) => {
    await updateDirectory(directory.relativePath, bodyOf(patchOf(before, objectOf(file))));
    onSaved();
  };
  return html`<${Form} title=${directory.relativePath} action=${TEXTS.actions.save} onSubmit=${save} onClose=${onClose}>
    <p class="faint">${TEXTS.directories.fileHint}</p>
    <${Field} label=${TEXTS.directories.file} name="file" rows=${12} value=${JSON.stringify(before, null, 2)} isRequired />
  <//>`;
}

/**
 * The directory in the form of its marker on disk, `.amplified/metadata.json`, without the time of writing.
 *
 * @param {AmplifiedDirectory} directory
 * @returns {Record<string, unknown>}
 */
function fileOf({ relativePath, defaultProfile, defaultProfileFrom, metadata }) {
  return { ...(defaultProfileFrom === relativePath ? { default_profile: defaultProfile } : {}), ...metadata };
}

/**
 * The members of a request for the content of the file, or for a merge patch of it; the server checks their types.
 *
 * @param {Record<string, unknown>} file
 */
function bodyOf({ default_profile, ...metadata }) {
  return {
    ...(default_profile === undefined ? {} : { default_profile: /** @type {string} */ (default_profile) }),
    metadata,
  };
}

/** @param {string} text @returns {Record<string, unknown>} */
function objectOf(text) {
  try {
    const value = JSON.parse(text);
    if (isObject(value)) {
      delete value["amplifierd"];
      return value;
    }
  } catch {
    // Reported below, as for any other text.
  }
  throw new Error(TEXTS.directories.badJson);
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Refuse values that would be saved as something else: a number that a double cannot represent exactly, and a null in a
 * merge patch, which removes its name; in a list, null is a value.
 *
 * @param {string} name
 * @param {unknown} value
 * @param {boolean} mayBeNull
 */
function check(name, value, mayBeNull) {
  if (value === null && !mayBeNull) {
    throw new Error(TEXTS.directories.badNull(name));
  }
  if (typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    throw new Error(TEXTS.directories.badNumber(name));
  }
  if (Array.isArray(value)) {
    value.forEach((each) => check(name, each, true));
  } else if (isObject(value)) {
    Object.entries(value).forEach(([inner, each]) => check(inner, each, mayBeNull));
  }
}

/**
 * The merge patch (RFC 7396) from one object to another, without members that are the same in both.
 *
 * @param {Record<string, unknown>} before
 * @param {Record<string, unknown>} after
 * @returns {Record<string, unknown>}
 */
function patchOf(before, after) {
  const removed = Object.keys(before).filter((name) => !Object.hasOwn(after, name));
  const changed = Object.entries(after).flatMap(([name, value]) => {
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    if (JSON.stringify(old) === JSON.stringify(value)) {
      return [];
    }
    if (isObject(old) && isObject(value)) {
      return [[name, patchOf(old, value)]];
    }
    check(name, value, false);
    return [[name, value]];
  });
  return Object.fromEntries([...removed.map((name) => [name, null]), ...changed]);
}
