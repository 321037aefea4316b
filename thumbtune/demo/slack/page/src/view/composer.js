// Where a person writes: Enter sends, Shift+Enter breaks the line. Keeps what was not sent, per channel and thread.
import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "../lib.js";
import { Avatar } from "../parts/avatar.js";
import { EmojiPicker } from "../parts/emoji_picker.js";
import { Icon } from "../parts/icons.js";
import { post } from "../state/doings.js";
import { findUser, me, userName } from "../state/session.js";
import { encodeTyped } from "../text/typed.js";
import { suggest, Suggestions } from "./suggestions.js";

const unsent = new Map();
const NONE = { from: 0, entries: [] };

export function Composer({ channel, thread, placeholder, onSent, onLeaveUp }) {
  const key = `${me.value}/${channel}/${thread ?? ""}`;
  const [words, setWords] = useState(unsent.get(key) ?? "");
  const [offer, setOffer] = useState(NONE);
  const [at, setAt] = useState(0);
  const [isSending, setSending] = useState(false);
  const [isPicking, setPicking] = useState(false);
  const box = useRef(null);
  const smile = useRef(null);
  const listId = useId();

  useEffect(() => {
    setWords(unsent.get(key) ?? "");
    setOffer(NONE);
    box.current.focus({ preventScroll: true });
  }, [key]);
  useLayoutEffect(() => {
    box.current.style.height = "auto";
    box.current.style.height = `${Math.min(box.current.scrollHeight, 260)}px`;
  }, [words]);

  const write = (text) => {
    setWords(text);
    if (text) unsent.set(key, text);
    else unsent.delete(key);
  };
  const input = (event) => {
    const { value, selectionStart } = event.currentTarget;
    write(value);
    setOffer(suggest(value.slice(0, selectionStart), { hasCommands: !thread }));
    setAt(0);
  };
  const insert = (text, from, to) => {
    const next = words.slice(0, from) + text + words.slice(to);
    write(next);
    setOffer(NONE);
    requestAnimationFrame(() => {
      box.current.focus();
      box.current.setSelectionRange(from + text.length, from + text.length);
    });
  };
  const pick = (entry) => insert(entry.insert, offer.from, box.current.selectionStart);
  const send = async () => {
    const typed = words.trim();
    if (!typed || isSending) return;
    setSending(true);
    setOffer(NONE);
    const isSent = await post(channel, typed.startsWith("/") ? typed : encodeTyped(typed), { thread });
    setSending(false);
    if (!isSent) return;
    unsent.delete(key);
    setWords((now) => (now.trim() === typed ? "" : now));
    onSent?.();
  };
  const keys = (event) => {
    if (event.isComposing) return;
    const { entries } = offer;
    if (entries.length && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      event.preventDefault();
      setAt((at + (event.key === "ArrowDown" ? 1 : entries.length - 1)) % entries.length);
    } else if (
      entries.length &&
      (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey && words.trim() !== entries[at].insert.trim()))
    ) {
      event.preventDefault();
      pick(entries[at]);
    } else if (entries.length && event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      setOffer(NONE);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && words === "") {
      event.preventDefault();
      onLeaveUp?.();
    }
  };
  const user = findUser(me.value);
  const isOpen = offer.entries.length > 0;
  return html`<div class="composer">
    ${isOpen && html`<${Suggestions} id=${listId} entries=${offer.entries} at=${at} onPick=${pick} />`}
    <div class="composer-box">
      <span class="composer-me" title=${`Writing as ${userName(me.value)}`}
        ><${Avatar} user=${user} size="small"
      /></span>
      <textarea
        ref=${box}
        rows="1"
        dir="auto"
        value=${words}
        placeholder=${placeholder}
        aria-label=${placeholder}
        role="combobox"
        aria-multiline="true"
        aria-autocomplete="list"
        aria-expanded=${isOpen}
        aria-controls=${isOpen ? listId : undefined}
        aria-activedescendant=${isOpen ? `${listId}-${at}` : undefined}
        onInput=${input}
        onKeyDown=${keys}
        onBlur=${() => setOffer(NONE)}
      ></textarea>
      <button
        type="button"
        ref=${smile}
        class="button-bare"
        aria-label="Insert an emoji"
        title="Insert an emoji"
        onClick=${() => setPicking(!isPicking)}
      >
        <${Icon} name="smile" />
      </button>
      <button
        type="button"
        class="send"
        aria-label="Send"
        title="Send  (Enter)"
        disabled=${!words.trim()}
        aria-busy=${isSending}
        onClick=${send}
      >
        <${Icon} name="send" />
      </button>
    </div>
    ${
      isPicking &&
      html`<${EmojiPicker}
        anchor=${smile.current}
        side="above"
        onClose=${() => setPicking(false)}
        onPick=${(name) => insert(`:${name}: `, box.current.selectionStart, box.current.selectionEnd)}
      />`
    }
  </div>`;
}
