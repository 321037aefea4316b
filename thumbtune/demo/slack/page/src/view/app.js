// Puts the page together and listens to its keys.
import { classes, html, useEffect } from "../lib.js";
import { Confirmation } from "../parts/confirm.js";
import { Notices } from "../parts/notices.js";
import { actAs, closeThread } from "../state/doings.js";
import { place } from "../state/place.js";
import { bootFailure, isLive, session } from "../state/session.js";
import { Channel } from "./channel.js";
import { Home } from "./home.js";
import { Jump, openJump } from "./jump.js";
import { Modal } from "./modal.js";
import { openShortcutHelp, ShortcutHelp } from "./shortcut_help.js";
import { isSidebarOpen, Sidebar } from "./sidebar.js";
import { Thread } from "./thread.js";

function cycleRegions(isBack) {
  const regions = [...document.querySelectorAll("[data-region]")];
  const at = regions.findIndex((region) => region.contains(document.activeElement));
  const next = regions[(at + (isBack ? regions.length - 1 : 1)) % regions.length];
  const goal = next?.querySelector('textarea, .entry.is-current, [tabindex="0"], button');
  goal?.focus();
}

const isWriting = (target) => target.closest?.("input, textarea, select, [contenteditable]");

function listen(event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openJump();
  } else if (event.key === "F6") {
    event.preventDefault();
    cycleRegions(event.shiftKey);
  } else if (event.key === "?" && !isWriting(event.target)) {
    event.preventDefault();
    openShortcutHelp();
  } else if (event.key === "Escape" && !event.defaultPrevented) {
    if (isSidebarOpen.value) isSidebarOpen.value = false;
    else if (place.value.thread) {
      closeThread();
      document.querySelector(".panel-main .composer textarea")?.focus();
    }
  }
}

function Failure() {
  return html`<main class="failure">
    <h1>The workspace did not open</h1>
    <p>${bootFailure.value.message}</p>
    <button type="button" class="button button-primary" onClick=${() => actAs(place.value.user)}>Try again</button>
  </main>`;
}

export function App() {
  useEffect(() => {
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);
  if (bootFailure.value) return html`<${Failure} />`;
  if (!session.value) return html`<main class="failure" role="status"><p>Opening the workspace…</p></main>`;
  const { channel, thread, app } = place.value;
  return html`<div class=${classes("app", thread && "has-thread")}>
      <${Sidebar} />
      ${isSidebarOpen.value && html`<div class="sidebar-veil" onClick=${() => (isSidebarOpen.value = false)}></div>`}
      <main class="stage">
        ${
          isLive.value === false &&
          html`<div class="offline" role="status">The line to the workspace is down. Reconnecting…</div>`
        }
        <div class="panels">
          ${app ? html`<${Home} app=${app} />` : html`<${Channel} key=${channel} id=${channel} />`}
          ${thread && html`<${Thread} key=${`${channel}/${thread}`} channel=${channel} ts=${thread} />`}
        </div>
      </main>
    </div>
    <${Modal} /><${Jump} /><${ShortcutHelp} /><${Confirmation} /><${Notices} />`;
}
