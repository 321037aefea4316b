// What a person can do on the page: each doing asks the workspace and tells in plain words when it fails.
import * as api from "./api.js";
import { leave, stayConnected } from "./live.js";
import { complain, notify } from "./notices.js";
import { goTo, linkTo, place } from "./place.js";
import * as session from "./session.js";
import { noteShortcut } from "./shortcuts.js";
import * as timelines from "./timelines.js";
import { lastRead, markRead, noteLatest } from "./unread.js";
import * as views from "./views.js";

const PAGE_SIZE = 60;
const THREAD_SIZE = 400;

const attempt = async (work) => {
  try {
    return await work();
  } catch (failure) {
    complain(failure);
    return null;
  }
};

export async function actAs(user) {
  session.bootFailure.value = null;
  try {
    const body = await api.fetchBootstrap(user);
    timelines.forgetTimelines();
    views.forgetViews();
    session.takeBootstrap(user, body);
    if (body.view) views.showView(body.view);
    stayConnected(session.me.value, { onReturn: refresh, onNewChannel: readChannels });
    noteChannels(body.channels);
  } catch (failure) {
    leave();
    session.bootFailure.value = failure;
  }
}

function noteChannels(channels) {
  const user = session.me.value;
  for (const channel of channels) {
    const newest = channel.latest_ts ?? "0";
    noteLatest(channel.id, newest);
    if (!lastRead(user, channel.id)) markRead(user, channel.id, newest);
  }
}

const readChannels = () =>
  attempt(async () => {
    const { channels } = await api.fetchBootstrap(session.me.value);
    session.replaceChannels(channels);
    noteChannels(channels);
  });

async function refresh() {
  const opened = timelines.allTimelines().filter((timeline) => timeline.status.value !== "empty");
  for (const timeline of opened) timeline.status.value = "empty";
  await Promise.all(opened.map((timeline) => loadTimeline(timeline)));
}

export async function loadTimeline(timeline) {
  if (timeline.status.value === "loading" || timeline.status.value === "ready") return;
  timeline.status.value = "loading";
  try {
    const user = session.me.value;
    const { channel, thread } = timeline;
    const page = await api.fetchMessages(user, channel, { thread, limit: thread ? THREAD_SIZE : PAGE_SIZE });
    if (user === session.me.value) {
      timelines.mergePage(timeline, page.messages, { hasMore: page.has_more });
    }
  } catch (failure) {
    timeline.status.value = "failed";
    complain(failure);
  }
}

export async function loadOlder(timeline) {
  if (timeline.isFetchingOlder.value || !timeline.hasMore.value) return;
  timeline.isFetchingOlder.value = true;
  await attempt(async () => {
    const { channel, thread } = timeline;
    const before = timeline.messages.value[0]?.ts;
    const page = await api.fetchMessages(session.me.value, channel, { thread, before, limit: PAGE_SIZE });
    timelines.mergePage(timeline, page.messages, { hasMore: page.has_more });
  });
  timeline.isFetchingOlder.value = false;
}

export function openPerson(user) {
  if (user !== session.me.value) goTo({ user });
}
export const openChannel = (channel) => goTo({ channel, thread: "", app: "" });
export const openThread = (channel, thread) => goTo({ channel, thread, app: "" });
export const closeThread = () => goTo({ thread: "" });
export const openHome = (app) => goTo({ app, channel: "", thread: "" });

// Returns whether it was sent, so that a composer keeps what was not.
export async function post(channel, text, { thread } = {}) {
  const done = await attempt(() =>
    api.sendPost({ user: session.me.value, channel, text, ...(thread ? { thread_ts: thread } : {}) }),
  );
  return Boolean(done);
}

export function toggleReaction(channel, message, name) {
  const user = session.me.value;
  const reaction = message.reactions?.find((known) => known.name === name);
  const on = !reaction?.users.includes(user);
  return attempt(() => api.sendReaction({ user, channel, ts: message.ts, name, on }));
}

export const edit = (channel, ts, text) => attempt(() => api.sendEdit({ user: session.me.value, channel, ts, text }));
export const remove = (channel, ts) => attempt(() => api.sendDelete({ user: session.me.value, channel, ts }));
export const join = (channel) => attempt(() => api.sendJoin({ user: session.me.value, channel }));
export function runShortcut(callback_id, channel, message) {
  noteShortcut(channel, message.thread_ts ?? message.ts);
  return attempt(() => api.sendShortcut({ user: session.me.value, callback_id, channel, ts: message.ts }));
}
export const act = (fields) => attempt(() => api.sendAction({ user: session.me.value, ...fields }));

export async function copyLink(channel, message) {
  const thread = message.thread_ts ?? message.ts;
  try {
    await navigator.clipboard.writeText(linkTo(channel, message));
    notify("Link copied.");
  } catch {
    notify("This browser does not let the page copy. The address bar holds the link once the thread is open.");
    openThread(channel, thread);
  }
}

export async function submitView(view, values) {
  const answer = await attempt(() => api.sendViewSubmit({ user: session.me.value, view_id: view.id, values }));
  if (!answer) return { errors: null, failed: true };
  if (answer.response_action === "errors" || answer.errors) return { errors: answer.errors ?? {} };
  if (answer.response_action === "clear") views.openViews.value = [];
  else if (answer.response_action === "close") views.dropView(view.id);
  return { errors: null }; // an update or a push comes over the live connection
}

export function closeView(view) {
  views.dropView(view.id);
  return attempt(() => api.sendViewClose({ user: session.me.value, view_id: view.id }));
}

export async function loadHome(app) {
  await attempt(async () => {
    const { view } = await api.fetchHome(session.me.value);
    if (place.value.app === app) views.homeView.value = view;
    await api.sendHomeOpen({ user: session.me.value });
  });
  if (views.homeView.value === undefined) views.homeView.value = null;
}
