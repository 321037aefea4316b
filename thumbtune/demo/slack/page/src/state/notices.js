// Short notices (toasts) and the words for screen readers. Knows neither who raised them nor how they are drawn.
import { signal } from "../lib.js";

const SHOWN_MS = 6000;
let nextId = 1;

export const notices = signal([]);
export const announcement = signal("");

export function dismissNotice(id) {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export function notify(text, { kind = "info", action } = {}) {
  if (notices.value.some((notice) => notice.text === text)) return;
  const id = nextId++;
  notices.value = [...notices.value.slice(-3), { id, text, kind, action }];
  setTimeout(() => dismissNotice(id), kind === "error" ? SHOWN_MS * 1.5 : SHOWN_MS);
}

export const complain = (failure) => {
  console.error(failure);
  notify(failure.code ? failure.message : "Something on this page went wrong. Reloading it usually helps.", {
    kind: "error",
  });
};

export function announce(text) {
  announcement.value = text;
}
