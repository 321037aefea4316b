// The left side: the workspace, who one acts as, channels, and the app with its connection.
import { classes, html, signal } from "../lib.js";
import { Avatar } from "../parts/avatar.js";
import { Icon } from "../parts/icons.js";
import { walk } from "../parts/menu.js";
import { openChannel, openHome } from "../state/doings.js";
import { place } from "../state/place.js";
import { appConnected, channelName, findUser, isLive, me, session } from "../state/session.js";
import { isUnread } from "../state/unread.js";
import { openJump } from "./jump.js";
import { PersonSwitcher } from "./person_switcher.js";
import { openShortcutHelp } from "./shortcut_help.js";

export const isSidebarOpen = signal(false); // on narrow windows, where the sidebar is a drawer
export const COMMAND_KEY = /Mac|iP/.test(navigator.platform) ? "⌘" : "Ctrl ";

export const SidebarToggle = () =>
  html`<button
    type="button"
    class="button-bare sidebar-toggle"
    aria-label="Show the sidebar"
    aria-expanded=${isSidebarOpen.value}
    onClick=${() => (isSidebarOpen.value = !isSidebarOpen.value)}
  >
    <${Icon} name="menu" />
  </button>`;

function choose(work) {
  isSidebarOpen.value = false;
  work();
}

function ChannelEntry({ channel }) {
  const isCurrent = place.value.channel === channel.id;
  const hasNew = !isCurrent && isUnread(me.value, channel.id);
  return html`<li>
    <button
      type="button"
      class=${classes("entry", isCurrent && "is-current", hasNew && "has-new")}
      aria-current=${isCurrent ? "page" : undefined}
      onClick=${() => choose(() => openChannel(channel.id))}
    >
      ${channel.is_im ? html`<${Avatar} user=${findUser(channel.user)} size="tiny" />` : html`<${Icon} name="hash" size=${16} />`}
      <span class="entry-name">${channelName(channel)}</span>
      ${hasNew && html`<span class="entry-new">new</span>`}
    </button>
  </li>`;
}

function sayConnection(name) {
  if (isLive.value === false) return { tone: "waiting", words: "Reconnecting…" };
  if (appConnected.value === true) return { tone: "on", words: `${name} is connected` };
  if (appConnected.value === false) return { tone: "off", words: `${name} is not connected` };
  return { tone: "waiting", words: `Looking for ${name}…` };
}

function AppEntry({ app }) {
  const isCurrent = place.value.app === app.app_id;
  const state = sayConnection(app.name);
  return html`<li>
    <button
      type="button"
      class=${classes("entry", isCurrent && "is-current")}
      aria-current=${isCurrent ? "page" : undefined}
      onClick=${() => choose(() => openHome(app.app_id))}
    >
      <${Avatar} isApp size="tiny" name=${app.name} />
      <span class="entry-name">${app.name}</span><span class="entry-kind">Home</span>
    </button>
    <p class="connection" role="status"><i class=${`dot dot-${state.tone}`}></i>${state.words}</p>
  </li>`;
}

export function Sidebar() {
  const { team, channels, apps } = session.value;
  const keys = (event) => walk(event, event.currentTarget, ".entry", { wraps: false });
  const rooms = channels.filter((channel) => !channel.is_im && channel.is_member !== false && !channel.is_archived);
  const direct = channels.filter((channel) => channel.is_im);
  return html`<nav
    class=${classes("sidebar", isSidebarOpen.value && "is-open")}
    aria-label="Workspace"
    data-region="sidebar"
  >
    <div class="workspace">
      <span class="workspace-mark">${(team?.name ?? "?")[0]}</span>
      <div><strong>${team?.name}</strong><small>On this machine only</small></div>
    </div>
    <${PersonSwitcher} />
    <button type="button" class="jump-open" onClick=${openJump}>
      <${Icon} name="search" size=${16} /><span>Jump to…</span><kbd>${COMMAND_KEY}K</kbd>
    </button>
    <div class="entries" onKeyDown=${keys}>
      <h2>Channels</h2>
      <ul>
        ${rooms.map((channel) => html`<${ChannelEntry} key=${channel.id} channel=${channel} />`)}
      </ul>
      ${
        direct.length > 0 &&
        html`<h2>Direct messages</h2>
          <ul>
            ${direct.map((channel) => html`<${ChannelEntry} key=${channel.id} channel=${channel} />`)}
          </ul>`
      }
      <h2>Apps</h2>
      <ul>
        ${apps.map((app) => html`<${AppEntry} key=${app.app_id} app=${app} />`)}
      </ul>
    </div>
    <button type="button" class="entry entry-foot" onClick=${openShortcutHelp}>
      <${Icon} name="keyboard" size=${16} /><span class="entry-name">Keyboard</span><kbd>?</kbd>
    </button>
  </nav>`;
}
