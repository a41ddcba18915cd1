// What is seen, as a file.

import { Form } from "../forms.js";
import { exportSession, getMarkdown, saveFile } from "../operations.js";
import { html } from "../preact.js";
import { TEXTS } from "../texts.js";

/** @type {Record<string, { label: string, hint: string, suffix: string, query?: { format?: string, files?: boolean } }>} */
const FORMS = {
  // Without a query it is the transcript.
  markdown: { ...TEXTS.exports.markdown, suffix: "md" },
  html: { ...TEXTS.exports.html, suffix: "html", query: { format: "html" } },
  lines: { ...TEXTS.exports.lines, suffix: "ndjson", query: {} },
  files: { ...TEXTS.exports.files, suffix: "ndjson", query: { files: true } },
  openai: { ...TEXTS.exports.openai, suffix: "json", query: { format: "openai" } },
  anthropic: { ...TEXTS.exports.anthropic, suffix: "json", query: { format: "anthropic" } },
};

/** @param {{ session: import("../types.js").Session, onClose: () => void }} props */
export function ExportForm({ session, onClose }) {
  const name = session.name ?? session.id;
  const save = async (/** @type {Record<string, string>} */ values) => {
    const form = FORMS[values["form"] ?? ""];
    if (!form) return;
    const content = form.query ? await exportSession(session.id, form.query) : await getMarkdown(session.id);
    saveFile(`${name}.${form.suffix}`, content);
  };
  return html`<${Form} title=${TEXTS.actions.exportTitle} action=${TEXTS.actions.export} onSubmit=${save} onClose=${onClose}>
    ${Object.entries(FORMS).map(
      ([form, { label, hint }], place) => html`<label key=${form} class="choice">
        <input type="radio" name="form" value=${form} defaultChecked=${place === 0} />
        <span>${label} <span class="faint">${hint}</span></span>
      </label>`,
    )}
  <//>`;
}
