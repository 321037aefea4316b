// Draws an input block: label, field, hint, and the app's complaint about what was entered.
import { html, useContext, useId, useRef } from "../lib.js";
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
  const told = useRef(undefined); // what was told last: Enter and leaving the field tell the same once
  const isTyped = "initial_value" in element || /_input$/.test(element.type);
  const tellTyped = (event) => {
    if (!tell || !isTyped || (event.type === "keydown" && (event.key !== "Enter" || element.multiline))) return;
    if (event.type === "keydown") event.preventDefault();
    const value = event.target.value || null;
    if (value !== told.current) tell({ value });
    told.current = value;
  };
  return html`<div class="block-input" data-block-id=${block.block_id} onChange=${tellTyped} onKeyDown=${tellTyped}>
    <label class="input-label" for=${id}
      >${drawText(block.label, { isInline: true })}${block.optional && html` <small>optional</small>`}</label
    >
    ${
      isField(element)
        ? html`<${Field}
            element=${element}
            blockId=${block.block_id}
            id=${id}
            describedBy=${described}
            isInvalid=${Boolean(error)}
            onChoose=${isTyped ? undefined : tell}
          />`
        : html`<span class="block-unknown">This page cannot show a “${element.type}” field yet.</span>`
    }
    ${error && html`<p class="field-error" id=${`${id}-error`} role="alert">${error}</p>`}
    ${block.hint && html`<p class="field-hint" id=${`${id}-hint`}>${drawText(block.hint, { isInline: true })}</p>`}
  </div>`;
}
