// Talks to the demo workspace's page API. Knows no drawing; every failure becomes one plain sentence.

export class RequestFailed extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const SENTENCES = {
  unreachable: "The demo workspace is not answering. Is it still running in the terminal?",
  unclear: "The demo workspace gave an answer this page does not understand.",
};

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { "content-type": "application/json" } });
  } catch {
    throw new RequestFailed("unreachable", SENTENCES.unreachable);
  }
  let body;
  try {
    body = await response.json();
  } catch {
    throw new RequestFailed("unclear", SENTENCES.unclear);
  }
  if (body.ok === false && !body.errors) {
    throw new RequestFailed(body.error || "failed", body.message || `That did not work (${body.error}).`);
  }
  return body;
}

const query = (fields) =>
  new URLSearchParams(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)).toString();

const read = (path, fields) => request(`/demo/${path}?${query(fields)}`, { method: "GET" });
const send = (path, body) => request(`/demo/${path}`, { method: "POST", body: JSON.stringify(body) });

export const fetchBootstrap = (user) => read("bootstrap", { user });
export const fetchMessages = (user, channel, { thread, before, limit } = {}) =>
  read("messages", { user, channel, thread_ts: thread, before, limit });
export const fetchHome = (user) => read("home", { user });
export const sendPost = (fields) => send("post", fields);
export const sendReaction = (fields) => send("react", fields);
export const sendEdit = (fields) => send("edit", fields);
export const sendDelete = (fields) => send("delete", fields);
export const sendJoin = (fields) => send("join", fields);
export const sendShortcut = (fields) => send("shortcut", fields);
export const sendAction = (fields) => send("action", fields);
export const sendViewSubmit = (fields) => send("view_submit", fields);
export const sendViewClose = (fields) => send("view_close", fields);
export const sendHomeOpen = (fields) => send("home_open", fields);
