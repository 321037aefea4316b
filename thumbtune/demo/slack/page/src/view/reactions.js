// The reactions under a message: who gave which, and a click that gives or takes one's own.
import { classes, html, useRef, useState } from "../lib.js";
import { EmojiPicker } from "../parts/emoji_picker.js";
import { Icon } from "../parts/icons.js";
import { toggleReaction } from "../state/doings.js";
import { me, userName } from "../state/session.js";
import { readableName } from "../text/emoji.js";
import { Emoji } from "../text/nodes.js";

function sayWho(reaction) {
  const names = reaction.users.map((user) => (user === me.value ? "You" : userName(user)));
  const who = names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0];
  return `${who} reacted with ${readableName(reaction.name)}`;
}

export function Reactions({ message, channel, tabIndex }) {
  const adder = useRef(null);
  const [isPicking, setPicking] = useState(false);
  if (!message.reactions?.length) return null;
  return html`<div class="reactions" role="group" aria-label="Reactions">
    ${message.reactions.map((reaction) => {
      const isMine = reaction.users.includes(me.value);
      return html`<button
        type="button"
        key=${reaction.name}
        class=${classes("reaction", isMine && "is-mine")}
        aria-pressed=${isMine}
        aria-label=${`${readableName(reaction.name)}, ${reaction.count}`}
        title=${sayWho(reaction)}
        tabindex=${tabIndex}
        onClick=${() => toggleReaction(channel, message, reaction.name)}
      >
        <${Emoji} name=${reaction.name} /><span class="reaction-count">${reaction.count}</span>
      </button>`;
    })}
    <button
      type="button"
      ref=${adder}
      class="reaction reaction-add"
      aria-label="Add a reaction"
      tabindex=${tabIndex}
      onClick=${() => setPicking(!isPicking)}
    >
      <${Icon} name="smile" size=${15} />
    </button>
    ${
      isPicking &&
      html`<${EmojiPicker}
        anchor=${adder.current}
        side="above"
        onClose=${() => setPicking(false)}
        onPick=${(name) => toggleReaction(channel, message, name)}
      />`
    }
  </div>`;
}
