// The list of keys the page understands.
import { html, signal } from "../lib.js";
import { Dialog } from "../parts/dialog.js";
import { Icon } from "../parts/icons.js";

const isOpen = signal(false);
export const openShortcutHelp = () => (isOpen.value = true);
const close = () => (isOpen.value = false);

const KEYS = [
  [
    "Anywhere",
    [
      ["Jump to a channel or a person", "Ctrl/⌘ K"],
      ["Next region: sidebar, channel, thread", "F6"],
      ["Close what is open", "Esc"],
      ["This list", "?"],
    ],
  ],
  [
    "On a message",
    [
      ["Previous and next message", "↑ ↓"],
      ["First and last message", "Home End"],
      ["Open its thread", "Enter"],
      ["React with 👍", "+"],
      ["Menu and shortcuts of the app", "M"],
      ["Edit, delete your own", "E Del"],
    ],
  ],
  [
    "Writing",
    [
      ["Send", "Enter"],
      ["New line", "Shift Enter"],
      ["Commands, people, channels, emoji", "/ @ # :"],
      ["Up to the messages", "↑"],
    ],
  ],
];

export function ShortcutHelp() {
  if (!isOpen.value) return null;
  return html`<${Dialog} class="dialog-keys" labelledBy="keys-title" onCancel=${close} onSubmit=${close}>
    <header class="dialog-head">
      <h2 id="keys-title">Keyboard</h2>
      <button type="submit" class="button-bare" aria-label="Close" autofocus><${Icon} name="close" /></button>
    </header>
    <div class="dialog-body keys-body">
      ${KEYS.map(
        ([title, rows]) =>
          html`<section>
            <h3>${title}</h3>
            <dl>
              ${rows.map(
                ([what, keys]) =>
                  html`<div>
                    <dt>${what}</dt>
                    <dd>${keys.split(" ").map((key) => html`<kbd>${key}</kbd>`)}</dd>
                  </div>`,
              )}
            </dl>
          </section>`,
      )}
    </div>
  </${Dialog}>`;
}
