// Where in the workspace the page is, held in the address: #/as/USER/CHANNEL/pTS, or #/as/USER/home/APP.
import { signal } from "../lib.js";

export const place = signal({ user: "", channel: "", thread: "", app: "" });

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]); // one server by several names

// A link's p1732100000000100 is ts 1732100000.000100.
export function readTs(part) {
  const digits = /^p(\d+)(?:\.(\d+))?$/.exec(part ?? "");
  if (!digits) return "";
  if (digits[2]) return `${digits[1]}.${digits[2]}`;
  return digits[1].length > 6 ? `${digits[1].slice(0, -6)}.${digits[1].slice(-6)}` : "";
}

export function readPlace(hash) {
  const [, as, user, channel, part] = hash.replace(/^#/, "").split("/").map(decodeURIComponent);
  if (as !== "as") return { user: "", channel: "", thread: "", app: "" };
  if (channel === "home") return { user, channel: "", thread: "", app: part ?? "" };
  return { user, channel: channel ?? "", thread: readTs(part), app: "" };
}

export function writePlace({ user, channel, thread, app }) {
  if (app) return `#/as/${user}/home/${app}`;
  return `#/as/${user}/${channel}${thread ? `/p${thread.replace(".", "")}` : ""}`;
}

export function goTo(change) {
  const next = { ...place.value, ...change };
  const hash = writePlace(next);
  place.value = next;
  if (location.hash !== hash) history.pushState(null, "", hash);
}

// A message's address in Slack's form, which apps know too.
export function linkTo(channel, { ts, thread_ts: root }) {
  const link = `${location.origin}/archives/${channel}/p${ts.replace(".", "")}`;
  return root && root !== ts ? `${link}?thread_ts=${root}&cid=${channel}` : link;
}

// The place a link to one of this workspace's messages means, or null for any other address.
export function readPermalink(href) {
  let address;
  try {
    address = new URL(href, location.origin);
  } catch {
    return null;
  }
  if (address.origin === location.origin && address.hash.startsWith("#/as/")) {
    const { channel, thread, app } = readPlace(address.hash);
    return { channel, thread, app };
  }
  const isOurs = address.port === location.port && LOOPBACK.has(address.hostname);
  const archive = /^\/archives\/([A-Z0-9]+)(?:\/(p\d+))?/.exec(address.pathname);
  if (!archive || (address.origin !== location.origin && !isOurs)) return null;
  return { channel: archive[1], thread: address.searchParams.get("thread_ts") || readTs(archive[2]), app: "" };
}
