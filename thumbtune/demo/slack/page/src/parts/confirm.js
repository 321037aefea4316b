// Asks before something is done: a Block Kit confirm object, or a plain question of the page.
import { html, signal } from "../lib.js";
import { drawText } from "../text/nodes.js";
import { Dialog } from "./dialog.js";

const question = signal(null);

// Resolves to true when the person agrees. `confirm` is a Block Kit confirmation object.
export function askFirst(confirm) {
  return new Promise((resolve) => {
    question.value = {
      confirm,
      answer: (isYes) => {
        question.value = null;
        resolve(isYes);
      },
    };
  });
}

export function Confirmation() {
  if (!question.value) return null;
  const { confirm, answer } = question.value;
  const style = confirm.style === "danger" ? "button button-danger" : "button button-primary";
  const deny = confirm.deny ? drawText(confirm.deny, { isInline: true }) : "Cancel";
  const agree = confirm.confirm ? drawText(confirm.confirm, { isInline: true }) : "Yes";
  return html`<${Dialog}
    class="dialog-small"
    labelledBy="confirm-title"
    onCancel=${() => answer(false)}
    onSubmit=${() => answer(true)}
  >
    <h2 id="confirm-title">${drawText(confirm.title, { isInline: true }) ?? "Are you sure?"}</h2>
    <div class="dialog-body">${drawText(confirm.text)}</div>
    <div class="dialog-foot">
      <button type="button" class="button" onClick=${() => answer(false)}>${deny}</button>
      <button type="submit" class=${style} autofocus>${agree}</button>
    </div>
  </${Dialog}>`;
}
