// What is seen, as a file.

import { Form } from "../forms.js";
import { exportSession, getMarkdown, saveFile } from "../operations.js";
import { html } from "../preact.js";
import { TEXTS } from "../texts.js";

/** @type {[string, string, string][]} */
const FORMS = [
  ["markdown", TEXTS.actions.exportMarkdown, TEXTS.actions.exportMarkdownHint],
  ["lines", TEXTS.actions.exportLines, TEXTS.actions.exportLinesHint],
  ["files", TEXTS.actions.exportFiles, TEXTS.actions.exportFilesHint],
];

/** @param {{ session: import("../types.js").Session, onClose: () => void }} props */
export function ExportForm({ session, onClose }) {
  const name = session.name ?? session.id;
  const save = async (/** @type {Record<string, string>} */ { form }) =>
    form === "markdown"
      ? saveFile(`${name}.md`, await getMarkdown(session.id))
      : saveFile(`${name}.ndjson`, await exportSession(session.id, form === "files"));
  return html`<${Form} title=${TEXTS.actions.exportTitle} action=${TEXTS.actions.export} onSubmit=${save} onClose=${onClose}>
    ${FORMS.map(
      ([form, label, hint], place) => html`<label key=${form} class="choice">
        <input type="radio" name="form" value=${form} defaultChecked=${place === 0} />
        <span>${label} <span class="faint">${hint}</span></span>
      </label>`,
    )}
  <//>`;
}
