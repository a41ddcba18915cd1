// Some messages after each other, which are drawn again only if they have changed.

import { Component, html } from "../preact.js";
import { MessageRow } from "./message.js";

/**
 * @typedef {object} Props
 * @property {number} number
 * @property {import("../types.js").Message[]} messages
 * @property {string} session
 * @property {number | undefined} target The message that the address names, if it is one of these.
 * @property {(sequence: number) => void} [onFork]
 */

/** @extends {Component<Props, {}>} */
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
