// What the app says it is doing in a thread ("is reading the thread…"), until it answers or goes quiet.
import { signal } from "../lib.js";

const QUIET_MS = 120_000; // Slack drops a status after two minutes without a message

export const statuses = signal({}); // "CHANNEL/ROOT" -> words
const timers = new Map();

export function setStatus(channel, root, words) {
  const key = `${channel}/${root}`;
  clearTimeout(timers.get(key));
  if (words)
    timers.set(
      key,
      setTimeout(() => setStatus(channel, root, ""), QUIET_MS),
    );
  statuses.value = { ...statuses.value, [key]: words };
}

export const statusOf = (channel, root) => statuses.value[`${channel}/${root}`] || "";
