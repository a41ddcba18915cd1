// Messages after each other.

import { address } from "../address.js";
import { Clock } from "../format.js";
import { mayWrite } from "../key.js";
import { Component, html } from "../preact.js";
import { TEXTS } from "../texts.js";
import { Parts, Text } from "./parts.js";

/**
 * @typedef {object} Props
 * @property {number} number
 * @property {import("../types.js").Message[]} messages
 * @property {string} session
 * @property {number | undefined} target The message that the address names, if it is one of these.
 * @property {(sequence: number) => void} [onFork]
 */

/** Some messages, which are drawn again only if they have changed. @extends {Component<Props, {}>} */
export class Chunk extends Component {
  /** @param {Props} next */
  shouldComponentUpdate(next) {
    return next.messages !== this.props.messages || next.target !== this.props.target;
  }

  render() {
    const { number, messages, session, target, onFork } = this.props;
    return html`<section data-chunk=${number}>
      ${messages.map(
        (message) => html`<${MessageRow}
          key=${message.sequence} message=${message} session=${session}
          isTarget=${message.sequence === target} onFork=${onFork}
        />`,
      )}
    </section>`;
  }
}

/**
 * @param {object} props
 * @param {import("../types.js").Message} props.message
 * @param {string} props.session
 * @param {boolean} props.isTarget Whether the address names it.
 * @param {((sequence: number) => void) | undefined} props.onFork
 */
function MessageRow({ message, session, isTarget, onFork }) {
  const { sequence, role, agent, model, usage, tokenCount } = message;
  const tokens = usage?.outputTokens ?? tokenCount;
  return html`<article
    class=${`message is-${role} ${isTarget ? "is-target" : ""}`}
    data-sequence=${sequence}
    aria-label=${`${TEXTS.roles[role]}, ${sequence}`}
  >
    <header>
      <h2 class="role">${TEXTS.roles[role]}</h2>
      ${agent && html`<bdi class="agent">${agent}</bdi>`}
      ${model && html`<bdi class="model">${model}</bdi>`}
      ${tokens !== undefined && html`<span class="tokens">${TEXTS.session.tokens(tokens)}</span>`}
      <span class="gap"></span>
      ${onFork && mayWrite.value && html`<button class="quiet" onClick=${() => onFork(sequence)}>${TEXTS.message.fork}</button>`}
      <${Clock} at=${message.timestamp} />
      <a class="sequence" href=${address({ session }, sequence)} aria-label=${TEXTS.message.link(sequence)}>#${sequence}</a>
    </header>
    <div class="body" dir="auto">${body(message)}</div>
  </article>`;
}

/** @param {import("../types.js").Message} message */
function body({ role, content, parts }) {
  if (parts?.length) {
    return html`<${Parts} parts=${parts} />`;
  }
  if (!content) {
    return html`<p class="is-absent">${TEXTS.message.empty}</p>`;
  }
  return html`<${Text} text=${content} isPlain=${role === "tool"} />`;
}
