// Draws a list of Block Kit blocks; what it does not know is named, never dropped in silence.
import { classes, html } from "../lib.js";
import { drawText, Markdown, Mrkdwn } from "../text/nodes.js";
import { Element } from "./elements.js";
import { InputBlock } from "./inputs.js";
import { Picture } from "./picture.js";
import { RichText } from "./rich_text.js";

const drawField = (field) => html`<div class="block-field">${drawText(field)}</div>`;

const Section = ({ block }) =>
  html`<div class=${classes("block-section", block.accessory && "has-accessory")}>
    <div class="block-section-body">
      ${block.text && html`<div class="block-text">${drawText(block.text)}</div>`}
      ${block.fields && html`<div class="block-fields">${block.fields.map(drawField)}</div>`}
    </div>
    ${
      block.accessory &&
      html`<div class="block-accessory"><${Element} element=${block.accessory} blockId=${block.block_id} /></div>`
    }
  </div>`;

const Context = ({ block }) =>
  html`<div class="block-context">
    ${block.elements.map((element) =>
      element.type === "image"
        ? html`<img class="context-image" src=${element.image_url} alt=${element.alt_text} />`
        : html`<span class="context-text">${drawText(element)}</span>`,
    )}
  </div>`;

const Actions = ({ block }) =>
  html`<div class="block-actions" role="group">
    ${block.elements.map((element) => html`<${Element} key=${element.action_id} element=${element} blockId=${block.block_id} />`)}
  </div>`;

const Alert = ({ block }) =>
  html`<div class=${`block-alert alert-${block.level ?? "default"}`} role="note">
    ${typeof block.text === "string" ? html`<${Mrkdwn} text=${block.text} />` : drawText(block.text)}
  </div>`;

const Card = ({ block }) =>
  html`<div class="block-card">
    ${block.hero_image && html`<${Picture} block=${block.hero_image} />`}
    ${block.title && html`<div class="card-title">${drawText(block.title, { isInline: true })}</div>`}
    ${block.subtitle && html`<div class="card-subtitle">${drawText(block.subtitle, { isInline: true })}</div>`}
    ${block.body && html`<div class="card-body">${drawText(block.body)}</div>`}
    ${block.actions && html`<${Actions} block=${{ ...block, elements: block.actions }} />`}
  </div>`;

const rowText = (cell) =>
  cell.type === "rich_text"
    ? html`<${RichText} block=${cell} />`
    : drawText({ type: "plain_text", text: String(cell.text ?? "") });

const Table = ({ block }) =>
  html`<div class="rich table-scroll">
    <table>
      <tbody>
        ${block.rows.map(
          (row, index) =>
            html`<tr>
              ${row.map((cell) => (index ? html`<td>${rowText(cell)}</td>` : html`<th scope="col">${rowText(cell)}</th>`))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;

const Unknown = ({ block }) => {
  const text = typeof block.text === "string" ? block.text : block.text?.text;
  return html`<div class="block-unknown">
    ${text ? html`<${Mrkdwn} text=${text} />` : `This page cannot show a “${block.type}” block yet.`}
  </div>`;
};

const KINDS = {
  section: Section,
  header: ({ block }) =>
    html`<div class="block-header" role="heading" aria-level="3">${drawText(block.text, { isInline: true })}</div>`,
  divider: () => html`<hr class="block-divider" />`,
  context: Context,
  actions: Actions,
  context_actions: Actions,
  input: InputBlock,
  markdown: ({ block }) => html`<${Markdown} text=${block.text} />`,
  image: Picture,
  rich_text: RichText,
  alert: Alert,
  card: Card,
  table: Table,
};

export function Blocks({ blocks }) {
  return html`<div class="blocks">
    ${blocks.map((block, index) => html`<${KINDS[block.type] ?? Unknown} key=${block.block_id ?? index} block=${block} />`)}
  </div>`;
}
