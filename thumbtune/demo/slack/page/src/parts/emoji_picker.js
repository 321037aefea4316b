// A small emoji picker: search, groups, arrow keys. Knows emoji names and calls back with one.
import { html, useEffect, useRef, useState } from "../lib.js";
import { emojiGroups, findEmoji, readableName, searchEmoji } from "../text/emoji.js";
import { Popover } from "./popover.js";

const COLUMNS = 8;
const FAVOURITES = ["+1", "eyes", "white_check_mark", "tada", "heart", "pray", "joy", "raised_hands"];
const STEPS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS };

export function EmojiPicker({ anchor, onPick, onClose, side }) {
  const [words, setWords] = useState("");
  const field = useRef(null);
  const grid = useRef(null);
  useEffect(() => field.current?.focus(), []);
  const pick = (name) => {
    onClose();
    anchor.focus?.();
    onPick(name);
  };
  const favourites = { label: "Often used", entries: FAVOURITES.map((name) => ({ name, character: findEmoji(name) })) };
  const groups = words.trim()
    ? [{ label: "Found", entries: searchEmoji(words.trim(), 64) }]
    : [favourites, ...emojiGroups];
  const keys = (event) => {
    event.stopPropagation();
    const entries = [...grid.current.querySelectorAll("button")];
    const at = entries.indexOf(document.activeElement);
    if (event.key === "Enter" && at < 0) {
      event.preventDefault();
      if (words.trim() && entries.length) entries[0].click();
    } else if (event.key in STEPS && (at >= 0 || event.key === "ArrowDown")) {
      event.preventDefault();
      const next = at < 0 ? 0 : at + STEPS[event.key];
      (entries[next] ?? field.current).focus();
    }
  };
  const entryButton = (entry) =>
    html`<button
      type="button"
      tabindex="-1"
      aria-label=${readableName(entry.name)}
      title=${`:${entry.name}:`}
      onClick=${() => pick(entry.name)}
    >
      <span class="emoji">${entry.character}</span>
    </button>`;
  return html`<${Popover}
    anchor=${anchor}
    side=${side ?? "right-edge"}
    onClose=${onClose}
    class="emoji-picker"
    role="dialog"
    aria-label="Choose an emoji"
    onKeyDown=${keys}
  >
    <input
      ref=${field}
      class="field"
      type="search"
      placeholder="Search emoji"
      aria-label="Search emoji"
      value=${words}
      onInput=${(event) => setWords(event.currentTarget.value)}
    />
    <div class="emoji-groups" ref=${grid}>
      ${groups.map(
        (group) =>
          html`<section key=${group.label}>
            <h3>${group.label}</h3>
            <div class="emoji-grid">${group.entries.map(entryButton)}</div>
          </section>`,
      )}
      ${!groups[0].entries.length && html`<p class="nothing">No emoji has that name.</p>`}
    </div>
  </${Popover}>`;
}
