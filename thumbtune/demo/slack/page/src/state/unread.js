// What each person has read in each channel, kept in this browser. Knows ts values only.
import { signal } from "../lib.js";

const STORAGE_KEY = "thumbtune.read";

function load() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY)) ?? {};
  } catch {
    return {};
  }
}

export const readMarks = signal(load()); // "USER/CHANNEL" -> ts of the newest message read
export const latestTs = signal({}); // CHANNEL -> ts of the newest message known

const markOf = (user, channel) => readMarks.value[`${user}/${channel}`];

export function noteLatest(channel, ts) {
  if ((latestTs.value[channel] ?? "") < ts) latestTs.value = { ...latestTs.value, [channel]: ts };
}

export function markRead(user, channel, ts = latestTs.value[channel]) {
  if (!ts || (markOf(user, channel) ?? "") >= ts) return;
  readMarks.value = { ...readMarks.value, [`${user}/${channel}`]: ts };
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(readMarks.value));
  } catch {
    // A full or forbidden storage only costs the marks of the next visit.
  }
}

export function lastRead(user, channel) {
  return markOf(user, channel) ?? "";
}

export function isUnread(user, channel) {
  const mark = markOf(user, channel);
  return mark !== undefined && mark < (latestTs.value[channel] ?? "");
}
