// The small toolbar of a message: 👍 first, any emoji, its thread, and the menu with the app's shortcuts.
import { html, useRef, useState } from "../lib.js";
import { askFirst } from "../parts/confirm.js";
import { EmojiPicker } from "../parts/emoji_picker.js";
import { Icon } from "../parts/icons.js";
import { MenuButton } from "../parts/menu.js";
import { copyLink, openThread, remove, runShortcut, toggleReaction } from "../state/doings.js";
import { me, messageShortcuts } from "../state/session.js";
import { isReply } from "../state/timelines.js";

const deletion = {
  title: { type: "plain_text", text: "Delete this message?" },
  text: { type: "plain_text", text: "It disappears for everyone, and what Thumbtune learned from it is withdrawn." },
  confirm: { type: "plain_text", text: "Delete" },
  style: "danger",
};

export async function removeAfterAsking(channel, message) {
  if (await askFirst(deletion)) remove(channel, message.ts);
}

function menuItems({ channel, message, onEdit }) {
  const isMine = message.user === me.value && !message.bot_id;
  const shortcuts = messageShortcuts().map((shortcut) => ({
    label: shortcut.name,
    detail: shortcut.app,
    icon: "bolt",
    run: () => runShortcut(shortcut.callback_id, channel, message),
  }));
  return [
    ...shortcuts,
    { label: "Copy link", icon: "link", run: () => copyLink(channel, message) },
    ...(isMine ? [{ label: "Edit message", icon: "pencil", keys: "E", run: onEdit }] : []),
    ...(isMine
      ? [{ label: "Delete message…", icon: "trash", isDanger: true, run: () => removeAfterAsking(channel, message) }]
      : []),
  ];
}

const ReplyTool = ({ open }) =>
  html`<button type="button" class="tool" aria-label="Reply in thread" title="Reply in thread  (Enter)" onClick=${open}>
    <${Icon} name="reply" />
  </button>`;

export function MessageTools({ message, channel, isThread, onEdit, onBusy }) {
  const picker = useRef(null);
  const [isPicking, setPicking] = useState(false);
  const pick = (open) => {
    setPicking(open);
    onBusy(open);
  };
  const thumb = () => toggleReaction(channel, message, "+1");
  return html`<div class="tools" role="toolbar" aria-label="Message actions">
    <button type="button" class="tool" aria-label="React with thumbs up" title="React with 👍  (+)" onClick=${thumb}>
      <span class="emoji">👍</span>
    </button>
    <button
      type="button"
      class="tool"
      ref=${picker}
      aria-label="Find another reaction"
      title="Find another reaction"
      aria-expanded=${isPicking}
      onClick=${() => pick(!isPicking)}
    >
      <${Icon} name="smile" />
    </button>
    ${!isThread && !isReply(message) && html`<${ReplyTool} open=${() => openThread(channel, message.ts)} />`}
    <${MenuButton}
      class="tool"
      label="More actions"
      items=${menuItems({ channel, message, onEdit })}
      onOpenChange=${onBusy}
    />
    ${
      isPicking &&
      html`<${EmojiPicker}
        anchor=${picker.current}
        onClose=${() => pick(false)}
        onPick=${(name) => toggleReaction(channel, message, name)}
      />`
    }
  </div>`;
}
