// Keeps the live connection to the workspace open and turns its pushes into changes of the page's state.
import { announce, notify } from "./notices.js";
import { goTo, place } from "./place.js";
import * as session from "./session.js";
import * as timelines from "./timelines.js";
import { isAwaited } from "./shortcuts.js";
import { setStatus } from "./statuses.js";
import { noteLatest } from "./unread.js";
import * as views from "./views.js";
import { plainText } from "../text/plain.js";

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 5000;

let socket = null;
let meetChannel = () => {}; // what to do on a message in a channel not known yet, such as a new direct one

const replace = (channel, message) => timelines.patchMessage(channel, message.ts, () => message);
const takeRoot = (push) => push.root && replace(push.channel, push.root);

function takeMessage(push, { isEphemeral = false } = {}) {
  const message = isEphemeral ? { ...push.message, is_ephemeral: true } : push.message;
  const isNew = !timelines.findMessage(push.channel, message.ts);
  timelines.putMessage(push.channel, message);
  takeRoot(push);
  setStatus(push.channel, message.thread_ts ?? message.ts, "");
  if (!session.findChannel(push.channel)) meetChannel();
  if (isEphemeral) showPrivate(push.channel, message);
  if (!isEphemeral && !timelines.isReply(message)) noteLatest(push.channel, message.ts);
  if (isNew && push.channel === place.value.channel && message.user !== session.me.value) {
    const author = message.username || session.userName(message.user);
    announce(`${author}: ${plainText(message).slice(0, 200)}`);
  }
}

// A private message in a thread that is not open would be missed: open the thread one asked from, or offer to.
function showPrivate(channel, message) {
  const root = timelines.isReply(message) ? message.thread_ts : "";
  if (!root || (place.value.channel === channel && place.value.thread === root)) return;
  const open = () => goTo({ channel, thread: root, app: "" });
  if (isAwaited(channel, root)) open();
  else notify(`${session.userName(message.user)} wrote to you in a thread.`, { action: { label: "Open", run: open } });
}

function takeDeletion(push) {
  if (push.tombstone) replace(push.channel, push.tombstone);
  else timelines.dropMessage(push.channel, push.ts);
  takeRoot(push);
}

const takeReaction = (push) =>
  timelines.patchMessage(push.channel, push.ts, (message) => push.message ?? { ...message, reactions: push.reactions });

const takeChannel = (push) => push.channel && session.replaceChannel(push.channel);

const TAKERS = {
  message: (push) => takeMessage(push),
  ephemeral: (push) => takeMessage(push, { isEphemeral: true }),
  message_changed: (push) => (replace(push.channel, push.message), takeRoot(push)),
  ephemeral_changed: (push) => replace(push.channel, { ...push.message, is_ephemeral: true }),
  message_deleted: takeDeletion,
  ephemeral_deleted: takeDeletion,
  reaction_added: takeReaction,
  reaction_removed: takeReaction,
  view_opened: (push) => views.showView(push.view),
  view_updated: (push) => views.replaceView(push.view),
  view_closed: (push) => views.dropView(push.view_id),
  home_published: (push) => (views.homeView.value = push.view),
  channel_changed: takeChannel,
  member_joined_channel: takeChannel,
  member_left_channel: takeChannel,
  user_change: (push) => session.replaceUser(push.user),
  app_status: (push) => (session.appConnected.value = push.connected),
  status: (push) => setStatus(push.channel, push.thread_ts, push.status),
  reset: () => location.reload(),
};

function take(data) {
  const push = JSON.parse(data);
  TAKERS[push.type]?.(push);
}

// Stays connected as `user`; calls `onNewChannel` when one turns up, and `onReturn` after each reconnection, when
// pushes may have been missed.
export function stayConnected(user, { onReturn, onNewChannel }) {
  leave();
  meetChannel = onNewChannel;
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
