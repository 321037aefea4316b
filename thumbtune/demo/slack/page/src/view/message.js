// One message: who, when, what, its reactions and its thread. Knows how to be edited in place.
import { classes, html, memo, useState } from "../lib.js";
import { BlockSurface } from "../blocks/surface.js";
import { Avatar } from "../parts/avatar.js";
import { Icon } from "../parts/icons.js";
import { openThread, remove, toggleReaction } from "../state/doings.js";
import { place } from "../state/place.js";
import { findUser, me, roleOf, userName } from "../state/session.js";
import { isReply } from "../state/timelines.js";
import { isoDate, sayAgo, sayClock, sayFull, sayNarrowClock } from "../text/dates.js";
import { Markdown, Mrkdwn } from "../text/nodes.js";
import { Files } from "./files.js";
import { MessageEditor } from "./message_editor.js";
import { MessageTools, removeAfterAsking } from "./message_tools.js";
import { Reactions } from "./reactions.js";

const LONG_TEXT = 2500;
const QUIET_SUBTYPES = new Set(["channel_join", "channel_leave", "channel_topic", "channel_purpose", "channel_name"]);

function Head({ message, name, user }) {
  const isApp = Boolean(message.bot_id) || user?.is_bot;
  return html`<div class="message-head">
    <span class="author">${name}</span>
    ${isApp && html`<span class="badge">APP</span>`}
    ${user && !isApp && roleOf(user) === "customer" && html`<span class="badge badge-customer">Customer</span>`}
    <time class="when" datetime=${isoDate(message.ts)} title=${sayFull(message.ts)}>${sayClock(message.ts)}</time>
  </div>`;
}

function Words({ message }) {
  if (!message.streaming_state) return message.blocks?.length ? null : html`<${Mrkdwn} text=${message.text} />`;
  const isWriting = message.streaming_state === "in_progress";
  return html`<${Markdown} text=${message.text} />
    ${isWriting && html`<span class="caret" role="status" aria-label="Writing"></span>`}`;
}

function Attachment({ attachment, container }) {
  const { blocks, text, fallback } = attachment;
  return html`<div class="attachment">
    ${
      blocks
        ? html`<${BlockSurface} container=${container} blocks=${blocks} />`
        : html`<${Mrkdwn} text=${text || fallback} />`
    }
  </div>`;
}

function Body({ message, channel }) {
  const isLong = (message.text?.length ?? 0) > LONG_TEXT && !message.blocks?.length;
  const [isWhole, setWhole] = useState(false);
  if (message.subtype === "tombstone") return html`<p class="deleted">This message was deleted.</p>`;
  const container = { type: "message", channel, message_ts: message.ts };
  const attachments = message.attachments ?? [];
  return html`<div class=${classes("message-body", isLong && !isWhole && "is-clamped")}>
    <${Words} message=${message} />
    ${message.blocks?.length > 0 && html`<${BlockSurface} container=${container} blocks=${message.blocks} />`}
    ${attachments.map((attachment) => html`<${Attachment} attachment=${attachment} container=${container} />`)}
    ${message.files?.length > 0 && html`<${Files} files=${message.files} />`}
    ${isLong && html`<${ShowMore} isWhole=${isWhole} toggle=${() => setWhole(!isWhole)} />`}
    ${message.edited && html`<span class="edited" title=${`Edited ${sayAgo(message.edited.ts)}`}>(edited)</span>`}
  </div>`;
}

const ShowMore = ({ isWhole, toggle }) =>
  html`<button type="button" class="show-more" onClick=${toggle}>
    ${isWhole ? "Show less" : "Show the whole message"}
  </button>`;

function ThreadFoot({ message, channel, tabIndex }) {
  const count = message.reply_count;
  const faces = (message.reply_users ?? [])
    .slice(0, 4)
    .map((id) => html`<${Avatar} key=${id} user=${findUser(id)} size="tiny" />`);
  return html`<button
    type="button"
    class="thread-foot"
    tabindex=${tabIndex}
    onClick=${() => openThread(channel, message.ts)}
  >
    <span class="thread-faces">${faces}</span>
    <span class="thread-count">${count} ${count === 1 ? "reply" : "replies"}</span>
    ${message.latest_reply && html`<span class="thread-when">Last reply ${sayAgo(message.latest_reply)}</span>`}
  </button>`;
}

function Message({ message, channel, hasHead, isThread, isTabStop }) {
  const [isHere, setHere] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [isEditing, setEditing] = useState(false);
  const user = findUser(message.user);
  const name = message.username || (user ? userName(message.user) : message.bot_profile?.name || "Someone");
  if (QUIET_SUBTYPES.has(message.subtype)) {
    return html`<div class="message-quiet" data-ts=${message.ts} tabindex=${isTabStop ? 0 : -1}>
      <${Mrkdwn} text=${message.text} />
    </div>`;
  }
  const isMine = message.user === me.value && !message.bot_id;
  const hasThread = !isThread && message.reply_count > 0 && !isReply(message);
  const isOpenThread = !isThread && place.value.thread === message.ts;
  const canAct = !message.is_ephemeral && message.subtype !== "tombstone" && !isEditing;
  const keys = (event) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey || message.is_ephemeral)
      return;
    const doings = {
      Enter: () => openThread(channel, message.thread_ts ?? message.ts),
      "+": () => toggleReaction(channel, message, "+1"),
      e: () => isMine && setEditing(true),
      Delete: () => isMine && removeAfterAsking(channel, message),
      m: () => event.currentTarget.querySelector('[aria-haspopup="menu"]')?.click(),
    };
    if (!doings[event.key]) return;
    event.preventDefault();
    doings[event.key]();
  };
  const inner = isTabStop || isHere ? 0 : -1;
  return html`<article
    class=${classes(
      "message",
      hasHead && "has-head",
      message.is_ephemeral && "is-ephemeral",
      isBusy && "is-busy",
      isOpenThread && "is-open",
    )}
    data-ts=${message.ts}
    tabindex=${isTabStop ? 0 : -1}
    aria-label=${`${name}, ${sayClock(message.ts)}`}
    onKeyDown=${keys}
    onMouseEnter=${() => setHere(true)}
    onMouseLeave=${() => setHere(false)}
    onFocusIn=${() => setHere(true)}
    onFocusOut=${(event) => !event.currentTarget.contains(event.relatedTarget) && setHere(event.currentTarget.matches(":hover"))}
  >
    ${
      message.is_ephemeral &&
      html`<div class="ephemeral-note">
        <${Icon} name="eye" size=${14} /> Only visible to you
        <button type="button" class="ephemeral-dismiss" onClick=${() => remove(channel, message.ts)}>Dismiss</button>
      </div>`
    }
    <div class="message-side">
      ${
        hasHead
          ? html`<${Avatar} user=${user} name=${name} isApp=${Boolean(message.bot_id) || undefined} />`
          : html`<time class="when-side" datetime=${isoDate(message.ts)}>${sayNarrowClock(message.ts)}</time>`
      }
    </div>
    <div class="message-main">
      ${hasHead && html`<${Head} message=${message} name=${name} user=${user} />`}
      ${
        isEditing
          ? html`<${MessageEditor} message=${message} channel=${channel} onDone=${() => setEditing(false)} />`
          : html`<${Body} message=${message} channel=${channel} />`
      }
      <${Reactions} message=${message} channel=${channel} tabIndex=${inner} />
      ${hasThread && html`<${ThreadFoot} message=${message} channel=${channel} tabIndex=${inner} />`}
    </div>
    ${
      canAct &&
      (isHere || isBusy) &&
      html`<${MessageTools}
        message=${message}
        channel=${channel}
        isThread=${isThread}
        onEdit=${() => setEditing(true)}
        onBusy=${setBusy}
      />`
    }
  </article>`;
}

const KeptMessage = memo(Message);
export { KeptMessage as Message };
