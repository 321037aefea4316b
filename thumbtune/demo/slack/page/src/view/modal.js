// The app's modal: blocks, what was entered, its complaints under their fields, and the way back.
import { html, useMemo, useState } from "../lib.js";
import { Blocks } from "../blocks/blocks.js";
import { BlockPlace, describeAction, initialValues, withEntry } from "../blocks/context.js";
import { Avatar } from "../parts/avatar.js";
import { Dialog } from "../parts/dialog.js";
import { Icon } from "../parts/icons.js";
import { act, closeView, submitView } from "../state/doings.js";
import { findUser, firstApp } from "../state/session.js";
import { openViews } from "../state/views.js";
import { drawText } from "../text/nodes.js";

const isEmpty = (entry) =>
  Object.entries(entry ?? {}).every(
    ([key, value]) => key === "type" || value === null || value === "" || (Array.isArray(value) && !value.length),
  );

// Input blocks that must be filled and are not, each with a sentence.
function findMissing(blocks, values) {
  const missing = blocks.filter(
    (block) => block.type === "input" && !block.optional && isEmpty(values[block.block_id]?.[block.element.action_id]),
  );
  return Object.fromEntries(missing.map((block) => [block.block_id, "Please fill this in."]));
}

function ModalView({ view, isPushed }) {
  const [entered, setEntered] = useState({});
  const [errors, setErrors] = useState({});
  const [isBusy, setBusy] = useState(false);
  const values = useMemo(() => initialValues(view.blocks, entered), [view, entered]);
  const container = { type: "view", view_id: view.id };
  const surroundings = {
    container,
    values,
    errors,
    enter: (block_id, action_id, entry) => {
      setEntered((before) => ({ ...before, [block_id]: { ...before[block_id], [action_id]: entry } }));
      setErrors(({ [block_id]: _, ...rest }) => rest);
    },
    send: (block_id, element, entry) =>
      act({
        container,
        ...describeAction(block_id, element, entry),
        state: withEntry(values, block_id, element, entry),
      }),
  };
  const submit = async () => {
    if (!view.submit || isBusy) return;
    const missing = findMissing(view.blocks, values);
    setErrors(missing);
    if (Object.keys(missing).length) return;
    setBusy(true);
    const answer = await submitView(view, values);
    setBusy(false);
    if (answer.errors) setErrors(answer.errors);
  };
  const close = ({ isOutside } = {}) => {
    const hasEntries = Object.keys(entered).length > 0;
    if (!(isOutside && hasEntries)) closeView(view);
  };
  const closeWords = view.close ? drawText(view.close, { isInline: true }) : isPushed ? "Back" : "Close";
  const title = `modal-${view.id}`;
  const known = new Set(view.blocks.map((block) => block.block_id));
  const stray = Object.entries(errors).filter(([block]) => !known.has(block));
  return html`<${Dialog} class="dialog-modal" labelledBy=${title} onCancel=${close} onSubmit=${submit}>
    <header class="dialog-head">
      <${Avatar} isApp size="small" user=${findUser(firstApp()?.bot_user_id)} />
      <h2 id=${title}>${drawText(view.title, { isInline: true })}</h2>
      <button type="button" class="button-bare" aria-label="Close" onClick=${() => close()}>
        <${Icon} name="close" />
      </button>
    </header>
    <div class="dialog-body" data-view-id=${view.id}>
      <${BlockPlace.Provider} value=${surroundings}><${Blocks} blocks=${view.blocks} /></${BlockPlace.Provider}>
      ${stray.map(([, sentence]) => html`<p class="field-error" role="alert">${sentence}</p>`)}
    </div>
    <footer class="dialog-foot">
      <button type="button" class="button" onClick=${() => close()}>${closeWords}</button>
      ${
        view.submit &&
        html`<button type="submit" class="button button-primary" aria-busy=${isBusy} disabled=${isBusy}>
          ${drawText(view.submit, { isInline: true })}
        </button>`
      }
    </footer>
  </${Dialog}>`;
}

export function Modal() {
  const stack = openViews.value;
  return stack.map(
    (view, depth) =>
      html`<${ModalView}
        key=${view.root_view_id && depth === 0 ? view.root_view_id : view.id}
        view=${view}
        isPushed=${depth > 0}
      />`,
  );
}
