// Renders the messages of a chunk.

import { address } from "../address.js";
import { mayWrite } from "../api.js";
import { Age, Clock } from "../format.js";
import { Component, html, useState } from "../preact.js";
import { Text } from "../text.js";
import { TEXTS } from "../texts.js";
import { Corrections, feedbackOf } from "./corrections.js";
import { isOfResult, Parts, toolNames } from "./parts.js";

/**
 * @typedef {object} Props
 * @property {number} number
 * @property {import("../types.js").Message[]} messages
 * @property {import("../types.js").Message[] | undefined} before The messages of the chunk above, if it is shown.
 * @property {string} session
 * @property {number | undefined} target The message that the address names, if it is in this chunk.
 * @property {import("./corrections.js").Changes} changes
 */

/** Some messages, which are drawn again only if they have changed. @extends {Component<Props, {}>} */
export class Chunk extends Component {
  /** @param {Props} next */
  shouldComponentUpdate(next) {
    const { messages, before, target } = this.props;
    return next.messages !== messages || next.before !== before || next.target !== target;
  }

  render() {
    const { number, messages, before = [], session, target, changes } = this.props;
    const names = toolNames([...before, ...messages]);
    return html`<section data-chunk=${number}>
      ${messages.map(
        (message) => html`<${MessageRow}
          key=${message.sequence} message=${message} names=${names.get(message.sequence)} session=${session}
          isTarget=${message.sequence === target} changes=${changes}
        />`,
      )}
    </section>`;
  }
}

/**
 * @param {object} props
 * @param {import("../types.js").Message} props.message
 * @param {Map<string, string> | undefined} props.names The tools whose results it has, by the id of the call.
 * @param {string} props.session
 * @param {boolean} props.isTarget Whether the address names it.
 * @param {import("./corrections.js").Changes} props.changes
 */
function MessageRow({ message, names, session, isTarget, changes }) {
  const { sequence, agent, model, usage, tokenCount } = message;
  const role = shownRole(message);
  // The actions are rendered only when the pointer or the focus comes near, because most messages are only read.
  const [isNear, setNear] = useState(false);
  const tokens = usage?.outputTokens ?? tokenCount;
  return html`<article
    class=${`message is-${role} ${isTarget ? "is-target" : ""}`}
    data-sequence=${sequence}
    aria-label=${`${TEXTS.roles[role]}, ${sequence}`}
    onPointerEnter=${() => setNear(true)} onFocusIn=${() => setNear(true)}
  >
    <header>
      <h2 class="role">${TEXTS.roles[role]}</h2>
      ${agent && html`<bdi class="agent">${agent}</bdi>`}
      ${model && html`<bdi class="model">${model}</bdi>`}
      ${tokens !== undefined && html`<span class="tokens">${TEXTS.session.tokens(tokens)}</span>`}
      <${Marks} message=${message} />
      <span class="gap"></span>
      <${Clock} at=${message.timestamp} />
      <a class="sequence" href=${address({ session }, sequence)} aria-label=${TEXTS.message.link(sequence)}>#${sequence}</a>
    </header>
    ${isNear && mayWrite.value && html`<${Corrections} message=${message} session=${session} changes=${changes} />`}
    <div class="body" dir="auto">${body(message, names)}</div>
  </article>`;
}

/** Anthropic's API sends the results of tools as the user. @param {import("../types.js").Message} message */
function shownRole({ role, parts }) {
  return role === "user" && parts?.length && parts.every(isOfResult) ? "tool" : role;
}

/** That a message was edited, and what a person thinks of it. @param {{ message: import("../types.js").Message }} props */
function Marks({ message }) {
  const { editedAt } = message;
  const feedback = feedbackOf(message);
  return html`
    ${editedAt && html`<span class="edited">${TEXTS.message.edited} <${Age} at=${editedAt} /></span>`}
    ${feedback === "up" && html`<span class="sign">${TEXTS.message.good}</span>`}
    ${feedback === "down" && html`<span class="sign">${TEXTS.message.bad}</span>`}
  `;
}

/**
 * @param {import("../types.js").Message} message
 * @param {Map<string, string> | undefined} names
 */
function body({ role, content, parts, deletedAt }, names) {
  if (deletedAt) {
    return html`<p class="is-absent">${TEXTS.message.deleted} <${Age} at=${deletedAt} /></p>`;
  }
  if (parts?.length) {
    return html`<${Parts} parts=${parts} names=${names} isTyped=${role === "user"} />`;
  }
  if (!content) {
    return html`<p class="is-absent">${TEXTS.message.empty}</p>`;
  }
  return html`<${Text} text=${content} isPlain=${role === "tool"} isTyped=${role === "user"} />`;
}
