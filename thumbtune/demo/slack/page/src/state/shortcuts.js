// Remembers from which threads a message shortcut was run, so that the answer can be shown where it comes.
const PATIENCE_MS = 180_000;
const asked = new Map(); // "CHANNEL/ROOT" -> when

export function noteShortcut(channel, root) {
  asked.set(`${channel}/${root}`, Date.now());
}

export function isAwaited(channel, root) {
  const key = `${channel}/${root}`;
  const isRecent = Date.now() - (asked.get(key) ?? 0) < PATIENCE_MS;
  asked.delete(key);
  return isRecent;
}
