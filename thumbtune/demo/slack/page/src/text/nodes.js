// Draws the tree that mrkdwn.js and markdown.js make. Text only ever becomes text nodes.
import { html } from "../lib.js";
import { openChannel, openHome, openThread } from "../state/doings.js";
import { readPermalink } from "../state/place.js";
import { channelName, findChannel, findUser, me, userName } from "../state/session.js";
import { findEmoji, readableName } from "./emoji.js";
import { parseMarkdown } from "./markdown.js";
import { parseMrkdwn, parsePlain } from "./mrkdwn.js";

export function Emoji({ name, character }) {
  const shown = character || findEmoji(name);
  if (!shown) return html`<span>:${name}:</span>`;
  return html`<span
    class="emoji"
    role="img"
    aria-label=${name ? readableName(name) : undefined}
    title=${name ? `:${name}:` : undefined}
    >${shown}</span
  >`;
}

function Link({ node }) {
  const inside = readPermalink(node.href);
  const follow = (event) => {
    if (!inside || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (inside.app) openHome(inside.app);
    else if (inside.thread) openThread(inside.channel, inside.thread);
    else openChannel(inside.channel);
  };
  return html`<a href=${node.href} target="_blank" rel="noopener noreferrer" onClick=${follow}
    >${drawNodes(node.children)}</a
  >`;
}

function Mention({ id }) {
  const name = findUser(id) ? `@${userName(id)}` : "@someone";
  return html`<span class=${id === me.value ? "mention mention-me" : "mention"}>${name}</span>`;
}

function ChannelMention({ node }) {
  const name = node.label || channelName(findChannel(node.id)) || "channel";
  return html`<button type="button" class="mention mention-channel" onClick=${() => openChannel(node.id)}>
    #${name}
  </button>`;
}

const drawTable = (node) =>
  html`<div class="table-scroll">
    <table>
      <thead>
        <tr>
          ${node.header.map((cell) => html`<th scope="col">${drawNodes(cell)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${node.rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td>${drawNodes(cell)}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;

function drawList(node) {
  const items = node.items.map((item) => html`<li dir="auto">${drawNodes(item)}</li>`);
  return node.isOrdered
    ? html`<ol start=${node.start}>
        ${items}
      </ol>`
    : html`<ul>
        ${items}
      </ul>`;
}

const DRAW = {
  text: (node) => node.text,
  break: () => html`<br />`,
  bold: (node) => html`<strong>${drawNodes(node.children)}</strong>`,
  italic: (node) => html`<em>${drawNodes(node.children)}</em>`,
  strike: (node) => html`<del>${drawNodes(node.children)}</del>`,
  underline: (node) => html`<u>${drawNodes(node.children)}</u>`,
  code: (node) => html`<code>${node.text}</code>`,
  emoji: (node) => html`<${Emoji} name=${node.name} character=${node.character} />`,
  link: (node) => html`<${Link} node=${node} />`,
  user: (node) => html`<${Mention} id=${node.id} />`,
  channel: (node) => html`<${ChannelMention} node=${node} />`,
  group: (node) => html`<span class="mention">@${node.label}</span>`,
  broadcast: (node) => html`<span class="mention mention-me">@${node.label}</span>`,
  paragraph: (node) => html`<p dir="auto">${drawNodes(node.children)}</p>`,
  heading: (node) =>
    html`<p class="rich-heading" role="heading" aria-level=${Math.min(node.level + 2, 6)} dir="auto">
      ${drawNodes(node.children)}
    </p>`,
  quote: (node) => html`<blockquote>${drawNodes(node.children)}</blockquote>`,
  pre: (node) => html`<pre tabindex="0"><code>${node.text}</code></pre>`,
  list: drawList,
  rule: () => html`<hr />`,
  table: drawTable,
};

export const drawNodes = (nodes) => nodes.map((node) => DRAW[node.kind]?.(node));

const isEmojiOnly = (blocks) =>
  blocks.length === 1 &&
  blocks[0].kind === "paragraph" &&
  blocks[0].children.length <= 6 &&
  blocks[0].children.every((node) => node.kind === "emoji" || (node.kind === "text" && node.text.trim() === ""));

export function Mrkdwn({ text }) {
  const blocks = parseMrkdwn(text ?? "");
  return html`<div class=${isEmojiOnly(blocks) ? "rich rich-jumbo" : "rich"}>${drawNodes(blocks)}</div>`;
}

export const Markdown = ({ text }) => html`<div class="rich">${drawNodes(parseMarkdown(text ?? ""))}</div>`;

// A Block Kit text object, inside a line (buttons, labels) or as blocks of its own.
export function drawText(object, { isInline = false } = {}) {
  if (!object) return null;
  if (object.type === "mrkdwn" && !isInline) return html`<${Mrkdwn} text=${object.text} />`;
  if (object.type === "mrkdwn") {
    return drawNodes(parseMrkdwn(object.text).flatMap((block) => block.children ?? [block]));
  }
  return drawNodes(parsePlain(object.text, { hasEmoji: object.emoji !== false }));
}
