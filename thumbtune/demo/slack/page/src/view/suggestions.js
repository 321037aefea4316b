// What a composer offers while one types: commands after /, people after @, channels after #, emoji after a colon.
import { html } from "../lib.js";
import { Avatar } from "../parts/avatar.js";
import { ROLE_NAMES, roleOf, session, slashCommands, userName } from "../state/session.js";
import { searchEmoji } from "../text/emoji.js";

const MOST = 8;
const TRIGGER = /(^|\s)([@#:])([\p{L}\p{N}_+-]*(?: [\p{L}]*)?)$/u;
const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function commandsFor(typed) {
  const word = typed.slice(1).toLowerCase();
  return slashCommands()
    .filter((command) => command.command.slice(1).startsWith(word))
    .map((command) => ({
      key: command.command,
      insert: `${command.command} `,
      mark: html`<span class="suggest-mark">/</span>`,
      label: `${command.command} ${command.usage_hint ?? ""}`.trim(),
      detail: command.description,
    }));
}

function peopleFor(word) {
  return [...session.value.users.values()]
    .filter(
      (user) =>
        !user.deleted &&
        user.id !== "USLACKBOT" &&
        fold(userName(user.id))
          .split(" ")
          .concat(fold(userName(user.id)))
          .some((part) => part.startsWith(fold(word))),
    )
    .map((user) => ({
      key: user.id,
      insert: `@${userName(user.id)} `,
      mark: html`<${Avatar} user=${user} size="tiny" />`,
      label: userName(user.id),
      detail: user.is_bot ? "App" : user.profile?.title || ROLE_NAMES[roleOf(user)],
    }));
}

function channelsFor(word) {
  return session.value.channels
    .filter((channel) => channel.name && fold(channel.name).startsWith(fold(word)))
    .map((channel) => ({
      key: channel.id,
      insert: `#${channel.name} `,
      mark: html`<span class="suggest-mark">#</span>`,
      label: channel.name,
    }));
}

function emojiFor(word) {
  if (word.length < 2) return [];
  return searchEmoji(word, MOST).map((entry) => ({
    key: entry.name,
    insert: `:${entry.name}: `,
    mark: html`<span class="emoji">${entry.character}</span>`,
    label: `:${entry.name}:`,
  }));
}

const SOURCES = { "@": peopleFor, "#": channelsFor, ":": emojiFor };

// What to offer for the words before the caret: { from, entries }, where `from` is where an insertion begins.
export function suggest(before, { hasCommands }) {
  if (hasCommands && /^\/\S*$/.test(before)) return { from: 0, entries: commandsFor(before).slice(0, MOST) };
  const found = TRIGGER.exec(before);
  if (!found) return { from: 0, entries: [] };
  const entries = SOURCES[found[2]](found[3]).slice(0, MOST);
  return { from: before.length - found[3].length - 1, entries };
}

export function Suggestions({ id, entries, at, onPick }) {
  return html`<div class="suggestions" role="listbox" id=${id} aria-label="Suggestions">
    ${entries.map(
      (entry, index) =>
        html`<div
          key=${entry.key}
          id=${`${id}-${index}`}
          role="option"
          aria-selected=${index === at}
          class="suggestion"
          onMouseDown=${(event) => (event.preventDefault(), onPick(entry))}
        >
          ${entry.mark}<span class="suggest-label">${entry.label}</span
          >${entry.detail && html`<small>${entry.detail}</small>`}
        </div>`,
    )}
  </div>`;
}
