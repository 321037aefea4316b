// Edits a message in its place: Enter saves, Escape leaves it as it was.
import { html, useState } from "../lib.js";
import { edit } from "../state/doings.js";
import { decodeStored, encodeTyped } from "../text/typed.js";

export function MessageEditor({ message, channel, onDone }) {
  const [words, setWords] = useState(() => decodeStored(message.text));
  const save = async () => {
    const isChanged = words.trim() && words !== decodeStored(message.text);
    if (!isChanged || (await edit(channel, message.ts, encodeTyped(words.trim())))) onDone();
  };
  const keys = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") onDone();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      save();
    }
  };
  const start = (box) => {
    if (!box || box.dataset.started) return;
    box.dataset.started = "yes";
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  };
  return html`<div class="editor">
    <textarea
      class="field"
      ref=${start}
      rows="3"
      dir="auto"
      aria-label="Edit message"
      value=${words}
      onInput=${(event) => setWords(event.currentTarget.value)}
      onKeyDown=${keys}
    ></textarea>
    <div class="editor-foot">
      <button type="button" class="button" onClick=${onDone}>Cancel</button
      ><button type="button" class="button button-primary" onClick=${save}>Save</button>
    </div>
  </div>`;
}
