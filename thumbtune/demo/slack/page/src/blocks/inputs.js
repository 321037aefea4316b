// Draws an input block: label, field, hint, and the app's complaint about what was entered.
import { html, useContext, useId } from "../lib.js";
import { drawText } from "../text/nodes.js";
import { BlockPlace } from "./context.js";
import { Field, isField } from "./fields.js";

export function InputBlock({ block }) {
  const place = useContext(BlockPlace);
  const id = useId();
  const error = place.errors[block.block_id];
  const { element } = block;
  const described = [block.hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const tell = block.dispatch_action ? (entry) => place.send(block.block_id, element, entry) : undefined;
  return html`<div class="block-input" data-block-id=${block.block_id}>
    <label class="input-label" for=${id}>${drawText(block.label, { isInline: true })}${block.optional && html` <small>optional</small>`}</label>
    ${isField(element)
      ? html`<${Field} element=${element} blockId=${block.block_id} id=${id} describedBy=${described} isInvalid=${Boolean(error)} onChoose=${tell} />`
      : html`<span class="block-unknown">This page cannot show a “${element.type}” field yet.</span>`}
    ${error && html`<p class="field-error" id=${`${id}-error`} role="alert">${error}</p>`}
    ${block.hint && html`<p class="field-hint" id=${`${id}-hint`}>${drawText(block.hint, { isInline: true })}</p>`}
  </div>`;
}
