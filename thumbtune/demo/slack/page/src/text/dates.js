// Says when, in the reader's own language and zone.
import { signal } from "../lib.js";

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const DAY_MS = 86_400_000;

const dateOf = (ts) => new Date(Number(ts) * 1000);

export const dayKey = (ts) => dateOf(ts).toDateString();
export const sayClock = (ts) => CLOCK.format(dateOf(ts));

/** The clock without AM or PM, for the margin beside a message, which has no room for them. */
export const sayNarrowClock = (ts) =>
  CLOCK.formatToParts(dateOf(ts))
    .filter((part) => part.type === "hour" || part.type === "minute")
    .map((part) => part.value)
    .join(":");
export const sayFull = (ts) => FULL.format(dateOf(ts));
export const isoDate = (ts) => dateOf(ts).toISOString();

export function sayDay(ts) {
  const date = dateOf(ts);
  if (date.toDateString() === new Date().toDateString()) return "Today";
  if (date.toDateString() === new Date(Date.now() - DAY_MS).toDateString()) return "Yesterday";
  return DAY.format(date);
}

const now_ms = signal(Date.now()); // moves by the minute, so that "2 min ago" stays true
setInterval(() => (now_ms.value = Date.now()), 60_000);

export function sayAgo(ts) {
  const minutes = Math.round((Math.max(now_ms.value, Number(ts) * 1000) - dateOf(ts)) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  return dayKey(ts) === new Date().toDateString() ? `today at ${sayClock(ts)}` : `${sayDay(ts)} at ${sayClock(ts)}`;
}
