// Keeps the live connection to the workspace open and turns its pushes into changes of the page's state.
import { announce } from "./notices.js";
import { place } from "./place.js";
import * as session from "./session.js";
import * as timelines from "./timelines.js";
import { noteLatest } from "./unread.js";
import * as views from "./views.js";
import { plainText } from "../text/plain.js";

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 5000;

let socket = null;

function takeMessage(push, { isEphemeral = false } = {}) {
  const message = isEphemeral ? { ...push.message, is_ephemeral: true } : push.message;
  const isNew = !timelines.findMessage(push.channel, message.ts);
  timelines.putMessage(push.channel, message);
  if (timelines.isReply(message)) {
    if (isNew && !isEphemeral) {
      timelines.patchMessage(push.channel, message.thread_ts, (root) => timelines.withReply(root, message));
    }
  } else if (!isEphemeral) {
    noteLatest(push.channel, message.ts);
  }
  if (isNew && push.channel === place.value.channel && message.user !== session.me.value) {
    const author = message.username || session.userName(message.user);
    announce(`${author}: ${plainText(message).slice(0, 200)}`);
  }
}

const TAKERS = {
  message: (push) => takeMessage(push),
  ephemeral: (push) => takeMessage(push, { isEphemeral: true }),
  message_changed: (push) => timelines.patchMessage(push.channel, push.message.ts, () => push.message),
  ephemeral_changed: (push) =>
    timelines.patchMessage(push.channel, push.message.ts, () => ({ ...push.message, is_ephemeral: true })),
  message_deleted: takeDeletion,
  ephemeral_deleted: takeDeletion,
  reaction_added: (push) => takeReaction(push, true),
  reaction_removed: (push) => takeReaction(push, false),
  view_opened: (push) => views.showView(push.view),
  view_updated: (push) => views.replaceView(push.view),
  view_closed: (push) => views.dropView(push.view_id ?? push.view?.id),
  home_published: (push) => (views.homeView.value = push.view),
  channel_changed: (push) => session.replaceChannel(push.channel),
  app_status: (push) => (session.appConnected.value = push.connected),
};

function takeDeletion(push) {
  const ts = push.ts ?? push.deleted_ts ?? push.message?.ts;
  if (push.message?.subtype === "tombstone") timelines.patchMessage(push.channel, ts, () => push.message);
  else timelines.dropMessage(push.channel, ts);
}

function takeReaction(push, isOn) {
  const name = push.name ?? push.reaction;
  timelines.patchMessage(push.channel ?? push.item.channel, push.ts ?? push.item.ts, (message) =>
    push.message ? push.message : timelines.withReaction(message, name, push.user, isOn),
  );
}

function take(data) {
  const push = JSON.parse(data);
  TAKERS[push.type]?.(push);
}

// Stays connected as `user`; calls `onReturn` after each reconnection, when pushes may have been missed.
export function stayConnected(user, { onReturn }) {
  leave();
  const mine = { closed: false, wasOpen: false, wait_ms: FIRST_WAIT_MS, line: null };
  socket = mine;
  const connect = () => {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    mine.line = new WebSocket(`${scheme}//${location.host}/demo/live?user=${encodeURIComponent(user)}`);
    mine.line.onopen = () => {
      session.isLive.value = true;
      if (mine.wasOpen) onReturn();
      mine.wasOpen = true;
      mine.wait_ms = FIRST_WAIT_MS;
    };
    mine.line.onmessage = (event) => !mine.closed && take(event.data);
    mine.line.onclose = () => {
      if (mine.closed) return;
      session.isLive.value = false;
      setTimeout(() => !mine.closed && connect(), mine.wait_ms);
      mine.wait_ms = Math.min(mine.wait_ms * 2, LONGEST_WAIT_MS);
    };
  };
  connect();
}

export function leave() {
  if (!socket) return;
  socket.closed = true;
  socket.line?.close();
  socket = null;
}
