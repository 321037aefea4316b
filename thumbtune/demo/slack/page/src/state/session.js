// Who the page acts as, and the people, channels and apps that person sees. Knows no messages.
import { computed, signal } from "../lib.js";

export const session = signal(null); // { me, team, users: Map, channels: [], apps: [] }
export const isLive = signal(null); // the page's own connection to the workspace; null before the first try
export const appConnected = signal(null); // the app's connection: true, false, or null while not known
export const bootFailure = signal(null);

export const me = computed(() => session.value?.me ?? "");

export function takeBootstrap(user, body) {
  const users = new Map(body.users.map((entry) => [entry.id, entry]));
  session.value = { me: body.me?.id ?? user, team: body.team, users, channels: body.channels, apps: body.apps };
  appConnected.value = body.app_status?.connected ?? null;
}

export const findUser = (id) => session.value?.users.get(id);
export const findChannel = (id) => session.value?.channels.find((channel) => channel.id === id);
export const firstApp = () => session.value?.apps[0];

export function userName(id) {
  const user = findUser(id);
  return user ? user.profile?.real_name || user.real_name || user.name : "Someone";
}

export function channelName(channel) {
  if (!channel) return "";
  if (channel.is_im) return userName(channel.user);
  return channel.name;
}

export function roleOf(user) {
  if (user.is_bot) return "app";
  const title = user.profile?.title ?? "";
  if (/customer/i.test(title)) return "customer";
  if (/lead/i.test(title)) return "lead";
  return "agent";
}

export const ROLE_NAMES = { customer: "Customers", agent: "Agents", lead: "Team lead" };

export function peopleByRole() {
  const groups = new Map(Object.keys(ROLE_NAMES).map((role) => [role, []]));
  for (const user of session.value?.users.values() ?? []) {
    if (!user.deleted && user.id !== "USLACKBOT") groups.get(roleOf(user))?.push(user);
  }
  return [...groups].filter(([, people]) => people.length);
}

export function messageShortcuts() {
  return (session.value?.apps ?? []).flatMap((app) =>
    (app.shortcuts ?? []).map((shortcut) => ({ ...shortcut, app: app.name })),
  );
}

export function slashCommands() {
  return (session.value?.apps ?? []).flatMap((app) =>
    (app.commands ?? []).map((command) => ({ ...command, app: app.name })),
  );
}

export function replaceUser(user) {
  session.value = { ...session.value, users: new Map(session.value.users).set(user.id, user) };
}

export function replaceChannels(channels) {
  session.value = { ...session.value, channels };
}

export function replaceChannel(channel) {
  const { channels } = session.value;
  const at = channels.findIndex((known) => known.id === channel.id);
  const next = at < 0 ? [...channels, channel] : channels.with(at, { ...channels[at], ...channel });
  session.value = { ...session.value, channels: next };
}
