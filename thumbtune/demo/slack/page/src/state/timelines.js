// The messages of each channel and thread in view, kept in order by their ts. Knows no network and no drawing.
import { batch, signal } from "../lib.js";

const timelines = new Map();

const keyOf = (channel, thread) => (thread ? `${channel}/${thread}` : channel);

export function openTimeline(channel, thread) {
  const key = keyOf(channel, thread);
  if (!timelines.has(key)) {
    timelines.set(key, {
      channel,
      thread,
      messages: signal([]),
      hasMore: signal(false),
      status: signal("empty"), // empty | loading | ready | failed
      isFetchingOlder: signal(false),
    });
  }
  return timelines.get(key);
}

export const findTimeline = (channel, thread) => timelines.get(keyOf(channel, thread));
export const forgetTimelines = () => timelines.clear();
export const allTimelines = () => [...timelines.values()];

export function findMessage(channel, ts) {
  for (const timeline of timelines.values()) {
    if (timeline.channel !== channel) continue;
    const found = timeline.messages.value.find((message) => message.ts === ts);
    if (found) return found;
  }
  return undefined;
}

// Where `ts` is, or would go, in messages ordered by ts.
function positionOf(messages, ts) {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (messages[middle].ts < ts) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function mergePage(timeline, page, { hasMore, keepOlderFlag = false }) {
  const byTs = new Map(timeline.messages.value.map((message) => [message.ts, message]));
  for (const message of page) byTs.set(message.ts, message);
  batch(() => {
    timeline.messages.value = [...byTs.values()].sort((a, b) => (a.ts < b.ts ? -1 : 1));
    if (!keepOlderFlag) timeline.hasMore.value = Boolean(hasMore);
    timeline.status.value = "ready";
  });
}

export const isReply = (message) => Boolean(message.thread_ts) && message.thread_ts !== message.ts;

function timelinesOf(channel, message) {
  const places = [];
  if (!isReply(message) || message.subtype === "thread_broadcast") places.push(findTimeline(channel));
  const root = message.thread_ts ?? message.ts;
  places.push(findTimeline(channel, root));
  return places.filter((timeline) => timeline && timeline.status.value !== "empty");
}

export function putMessage(channel, message) {
  for (const timeline of timelinesOf(channel, message)) {
    const messages = timeline.messages.value;
    const at = positionOf(messages, message.ts);
    const isKnown = messages[at]?.ts === message.ts;
    if (!isKnown && at === 0 && timeline.hasMore.value) continue; // older than what is loaded
    timeline.messages.value = isKnown ? messages.with(at, message) : messages.toSpliced(at, 0, message);
  }
}

export function patchMessage(channel, ts, change) {
  for (const timeline of timelines.values()) {
    if (timeline.channel !== channel) continue;
    const messages = timeline.messages.value;
    const at = positionOf(messages, ts);
    if (messages[at]?.ts === ts) timeline.messages.value = messages.with(at, change(messages[at]));
  }
}

export function dropMessage(channel, ts) {
  for (const timeline of timelines.values()) {
    if (timeline.channel !== channel) continue;
    const messages = timeline.messages.value;
    const at = positionOf(messages, ts);
    if (messages[at]?.ts === ts) timeline.messages.value = messages.toSpliced(at, 1);
  }
}
