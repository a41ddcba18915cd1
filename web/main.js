// The page: a bar, and the view that the address names.

import { keepKey, key, keyRefusal, learnScope, mayWrite } from "./api.js";
import { Dialog, Field, Form } from "./forms.js";
import { Header } from "./header.js";
import { listenToKeys } from "./keyboard.js";
import { Lazy } from "./loading.js";
import { html, render, useEffect, useSignal, useState } from "./preact.js";
import { listen, route } from "./route.js";
import { TEXTS } from "./texts.js";
import { SessionsView } from "./views/sessions.js";
import { SessionView } from "./views/session.js";

// Views that are loaded on demand; people rarely open them.
const search = async () => (await import("./views/search.js")).SearchView;
const compare = async () => (await import("./views/compare.js")).CompareView;
const profiles = async () => (await import("./views/profiles.js")).ProfilesView;
const profile = async () => (await import("./views/profiles.js")).ProfileView;
const collections = async () => (await import("./views/collections.js")).CollectionsView;
const collection = async () => (await import("./views/collections.js")).CollectionView;
const modules = async () => (await import("./views/modules.js")).ModulesView;
const module = async () => (await import("./views/modules.js")).ModuleView;
const plan = async () => (await import("./views/plan.js")).PlanView;
const directories = async () => (await import("./views/directories.js")).DirectoriesView;
const status = async () => (await import("./views/status.js")).StatusView;

/** @param {import("./address.js").Route} route */
function viewOf({ view, query, sequence }) {
  const text = (/** @type {string} */ name) => query.get(name) ?? "";
  switch (view) {
    case "session":
      return html`<${SessionView} key=${text("session")} id=${text("session")} sequence=${sequence} />`;
    case "search":
      return html`<${Lazy} key=search load=${search} words=${text("q")} mode=${text("mode")} />`;
    case "compare":
      return html`<${Lazy} key=compare load=${compare} a=${text("a")} b=${text("b")} from=${Number(text("from")) || 0} />`;
    case "profiles":
      return html`<${Lazy} key=profiles load=${profiles} />`;
    case "profile":
      return html`<${Lazy} key=${text("name")} load=${profile} name=${text("name")} />`;
    case "collections":
      return html`<${Lazy} key=collections load=${collections} />`;
    case "collection":
      return html`<${Lazy} key=${text("id")} load=${collection} id=${text("id")} />`;
    case "modules":
      return html`<${Lazy} key=modules load=${modules} type=${text("type")} />`;
    case "module":
      return html`<${Lazy} key=${text("id")} load=${module} id=${text("id")} />`;
    case "plan":
      return html`<${Lazy} key=${text("session")} load=${plan} session=${text("session")} />`;
    case "directories":
      return html`<${Lazy} key=directories load=${directories} />`;
    case "status":
      return html`<${Lazy} key=status load=${status} />`;
    default:
      return html`<${SessionsView} query=${query} />`;
  }
}

function Page() {
  const current = useSignal(route);
  const refusal = useSignal(keyRefusal);
  const used = useSignal(key);
  const writes = useSignal(mayWrite);
  const [isHelping, setHelping] = useState(false);
  useEffect(() => listenToKeys(() => setHelping(true)), []);
  useEffect(() => void learnScope(), [used]);
  useEffect(() => {
    if (current.view !== "session") {
      document.title = TEXTS.title;
    }
  }, [current]);
  return html`
    <a class="skip" href="#main">${TEXTS.skip}</a>
    <${Header} view=${current.view} words=${current.query.get("q") ?? ""} onHelp=${() => setHelping(true)} />
    <main id="main" class=${`is-${current.view}`} key=${`${used} ${writes}`}>${viewOf(current)}</main>
    ${isHelping && html`<${Help} onClose=${() => setHelping(false)} />`}
    ${refusal && html`<${KeyDialog} refusal=${refusal} />`}
  `;
}

/** @param {{ onClose: () => void }} props */
function Help({ onClose }) {
  return html`<${Dialog} title=${TEXTS.keys.title} onClose=${onClose}>
    <dl class="keys">
      ${TEXTS.keys.list.map(([keys, text]) => html`<div key=${keys}><dt><kbd>${keys}</kbd></dt><dd>${text}</dd></div>`)}
    </dl>
    <form method="dialog" class="buttons"><button>${TEXTS.actions.close}</button></form>
  <//>`;
}

/** @param {{ refusal: string }} props */
function KeyDialog({ refusal }) {
  return html`<${Form}
    title=${TEXTS.key.title} action=${TEXTS.key.open}
    onSubmit=${async (/** @type {Record<string, string>} */ values) => keepKey((values["key"] ?? "").trim())}
    onClose=${() => (keyRefusal.value = "")}
  >
    <p>${refusal}</p>
    <${Field} label=${TEXTS.key.label} name="key" type="password" isRequired />
    <p class="faint">${TEXTS.key.hint}</p>
  <//>`;
}

listen();
render(html`<${Page} />`, /** @type {HTMLElement} */ (document.getElementById("page")));
