// Shows a long list of messages through a moving window, so that 5,000 of them stay quick.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../lib.js";
import { Icon } from "../parts/icons.js";
import { loadOlder } from "../state/doings.js";
import { dayKey, sayDay } from "../text/dates.js";
import { Message } from "./message.js";

const WINDOW = 180; // messages drawn at once
const STEP = 60; // messages the window moves by
const NEAR_PX = 600; // how near to an end the window moves
const BOTTOM_PX = 40; // how near to the bottom counts as "at the newest"
const GROUP_S = 300; // messages of one author within this time share a head

const authorOf = (message) => message.username ?? message.user ?? message.bot_id;

function isSameGroup(before, message) {
  return (
    before &&
    authorOf(before) === authorOf(message) &&
    Boolean(before.is_ephemeral) === Boolean(message.is_ephemeral) &&
    !before.reply_count &&
    before.subtype !== "tombstone" &&
    Number(message.ts) - Number(before.ts) < GROUP_S
  );
}

function* rowsOf(messages, from, to, newFrom) {
  let hasNewMark = false;
  for (let at = from; at < to; at += 1) {
    const message = messages[at];
    const before = messages[at - 1];
    const isNewDay = !before || dayKey(before.ts) !== dayKey(message.ts);
    const isNewMark = Boolean(newFrom) && !hasNewMark && message.ts > newFrom && (!before || before.ts <= newFrom);
    if (isNewMark) hasNewMark = true;
    yield {
      message,
      isNewDay,
      isNewMark,
      hasHead: isNewDay || isNewMark || at === from || !isSameGroup(before, message),
    };
  }
}

// The first row in view and its distance from the top: what must not move when rows come or go above it.
function findAnchor(scroller) {
  const top = scroller.getBoundingClientRect().top;
  for (const row of scroller.querySelectorAll("[data-ts]")) {
    const box = row.getBoundingClientRect();
    if (box.bottom > top) return { ts: row.dataset.ts, offset: box.top - top };
  }
  return null;
}

export function MessageList({ timeline, label, newFrom, lead, tail, isThread, onAtBottom }) {
  const messages = timeline.messages.value;
  const [lastTs, setLastTs] = useState(null); // newest drawn message, or null to follow the newest
  const [firstTs, setFirstTs] = useState(null); // oldest drawn message, or null for the newest WINDOW
  const [isAway, setAway] = useState(false);
  const [activeTs, setActiveTs] = useState(null);
  const scroller = useRef(null);
  const isJumping = useRef(false);
  const kept = useRef({ anchor: null, isAtBottom: true });

  const indexFrom = (ts) => messages.findIndex((message) => message.ts >= ts);
  const to = lastTs ? indexFrom(lastTs) + 1 || messages.length : messages.length;
  const from = firstTs ? Math.max(0, indexFrom(firstTs)) : Math.max(0, to - WINDOW);
  const rows = [...rowsOf(messages, from, to, newFrom)];

  const keep = () => {
    const box = scroller.current;
    const fromBottom = box.scrollHeight - box.scrollTop - box.clientHeight;
    kept.current = { anchor: findAnchor(box), isAtBottom: lastTs === null && fromBottom < BOTTOM_PX };
    return fromBottom;
  };

  const look = () => {
    const box = scroller.current;
    if (!box) return;
    const wasAtBottom = kept.current.isAtBottom;
    const fromBottom = keep();
    const { isAtBottom } = kept.current;
    if (isAtBottom && !wasAtBottom) onAtBottom?.();
    setAway(!isAtBottom && (lastTs !== null || fromBottom > box.clientHeight));
    if (box.scrollTop < NEAR_PX && from === 0) loadOlder(timeline);
    else if (box.scrollTop < NEAR_PX) {
      const next = Math.max(0, from - STEP);
      setFirstTs(messages[next].ts);
      if (to - next > WINDOW) setLastTs(messages[next + WINDOW - 1].ts);
    } else if (fromBottom < NEAR_PX && to < messages.length) {
      const next = Math.min(messages.length, to + STEP);
      setLastTs(next === messages.length ? null : messages[next - 1].ts);
      setFirstTs(messages[Math.max(0, next - WINDOW)].ts);
    }
  };

  const stay = () => {
    const box = scroller.current;
    if (!box) return;
    const { anchor, isAtBottom } = kept.current;
    if (isAtBottom && lastTs === null) box.scrollTop = box.scrollHeight;
    else if (anchor) {
      const row = box.querySelector(`[data-ts="${CSS.escape(anchor.ts)}"]`);
      if (row) box.scrollTop += row.getBoundingClientRect().top - box.getBoundingClientRect().top - anchor.offset;
    }
  };

  // Between two draws only what is on the screen counts, even before the browser tells of a scroll.
  const drawn = useRef(null);
  const shape = `${from}/${to}/${messages[from]?.ts}`;
  if (scroller.current && drawn.current !== null && drawn.current !== shape && !isJumping.current) keep();
  drawn.current = shape;
  isJumping.current = false;
  useLayoutEffect(stay, [messages, from, to]);
  // A page that arrives above the window moves nothing, so no scroll event asks for the next step: look by oneself.
  useEffect(look, [messages.length, from, to]);
  useEffect(() => {
    const watcher = new ResizeObserver(stay);
    watcher.observe(scroller.current);
    watcher.observe(scroller.current.firstElementChild);
    return () => watcher.disconnect();
  }, [timeline]);

  const jumpToNewest = () => {
    kept.current = { anchor: null, isAtBottom: true };
    isJumping.current = true;
    setLastTs(null);
    setFirstTs(null);
    setAway(false);
    onAtBottom?.();
    requestAnimationFrame(stay);
  };

  const keys = (event) => {
    const row = event.target.closest?.("[data-ts]");
    if (!row || event.target !== row) return;
    const all = [...scroller.current.querySelectorAll("[data-ts]")];
    const at = all.indexOf(row);
    const goals = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: all.length - 1 };
    if (!(event.key in goals)) return;
    event.preventDefault();
    const goal = all[goals[event.key]];
    if (!goal) return;
    setActiveTs(goal.dataset.ts);
    goal.focus();
  };

  const passWheel = (event) => (scroller.current.scrollTop += event.deltaY);
  const hasOlder = timeline.isFetchingOlder.value || from > 0 || timeline.hasMore.value;
  const newest = rows.at(-1)?.message.ts;
  const tabStop = rows.some((row) => row.message.ts === activeTs) ? activeTs : newest;
  return html`<div class="list-frame">
    <div
      class="list-scroll"
      ref=${scroller}
      onScroll=${look}
      onKeyDown=${keys}
      onFocusIn=${(event) => event.target.dataset?.ts && setActiveTs(event.target.dataset.ts)}
    >
      <div class="list" role="feed" aria-label=${label} aria-busy=${timeline.status.value === "loading"}>
        ${from === 0 && !timeline.hasMore.value && lead}
        ${hasOlder && html`<div class="list-older" role="status">Loading earlier messages…</div>`}
        ${rows.map(
          (row) =>
            html`<div key=${row.message.ts} class="row-frame">
              ${row.isNewDay && html`<div class="day" role="separator"><span>${sayDay(row.message.ts)}</span></div>`}
              ${row.isNewMark && html`<div class="new-mark" role="separator"><span>New</span></div>`}
              <${Message}
                message=${row.message}
                channel=${timeline.channel}
                hasHead=${row.hasHead}
                isThread=${isThread}
                isTabStop=${row.message.ts === tabStop}
              />
            </div>`,
        )}
        ${tail}
      </div>
    </div>
    ${
      isAway &&
      html`<button type="button" class="jump-newest" onClick=${jumpToNewest} onWheel=${passWheel}>
        <${Icon} name="down" size=${15} /> Jump to newest
      </button>`
    }
  </div>`;
}
