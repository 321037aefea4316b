// Starts the page: reads the address, opens the workspace as that person, keeps both in step.
import { effect, html, render } from "./lib.js";
import { actAs } from "./state/doings.js";
import { goTo, place, readPermalink, readPlace, writePlace } from "./state/place.js";
import { channelName, findChannel, me, session } from "./state/session.js";
import { App } from "./view/app.js";

const FIRST_PERSON = "U0PRIYA01";
const LAST_PERSON_KEY = "thumbtune.person";

function rememberedPerson() {
  try {
    return localStorage.getItem(LAST_PERSON_KEY) || FIRST_PERSON;
  } catch {
    return FIRST_PERSON;
  }
}

function settle() {
  const { channels } = session.value;
  const fallback = channels.find((channel) => channel.name === "support") ?? channels[0];
  const { channel, app } = place.value;
  if (!channel && !app && fallback) {
    const next = { user: me.value, channel: fallback.id };
    history.replaceState(null, "", `#/as/${next.user}/${next.channel}`);
    goTo(next);
  }
}

let opened = "";
async function open(user) {
  opened = user;
  await actAs(user);
  if (!session.value || opened !== user) return;
  try {
    localStorage.setItem(LAST_PERSON_KEY, user);
  } catch {
    // Without storage the next visit starts as the first agent.
  }
  settle();
}

// A Slack-like address of a message (/archives/…) is turned into the page's own.
function unfoldArchive() {
  const inside = location.pathname.startsWith("/archives/") && readPermalink(location.href);
  if (!inside) return;
  const { channel, thread } = inside;
  history.replaceState(null, "", `/${writePlace({ user: rememberedPerson(), channel, thread })}`);
}

function follow() {
  const next = readPlace(location.hash);
  place.value = { ...next, user: next.user || rememberedPerson() };
}

addEventListener("popstate", follow);
addEventListener("hashchange", follow);
unfoldArchive();
follow();
effect(() => {
  const { user } = place.value;
  if (user && user !== opened) open(user);
});
effect(() => {
  const { channel, app } = place.value;
  const { team, apps = [] } = session.value ?? {};
  const where = app
    ? `${apps.find((known) => known.app_id === app)?.name ?? "App"} Home`
    : channel && `#${channelName(findChannel(channel))}`;
  document.title = [where, team?.name].filter(Boolean).join(" · ") || "Local workspace";
});
render(html`<${App} />`, document.getElementById("page"));
