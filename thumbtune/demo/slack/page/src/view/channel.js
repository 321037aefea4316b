// A channel: its head, its messages, its composer.
import { html, useEffect, useRef, useState } from "../lib.js";
import { Icon } from "../parts/icons.js";
import { join, loadTimeline } from "../state/doings.js";
import { place } from "../state/place.js";
import { channelName, findChannel, findUser, firstApp, me, roleOf, userName } from "../state/session.js";
import { openTimeline } from "../state/timelines.js";
import { lastRead, latestTs, markRead } from "../state/unread.js";
import { Composer } from "./composer.js";
import { FirstSteps } from "./first_steps.js";
import { MessageList } from "./message_list.js";
import { SidebarToggle } from "./sidebar.js";

function Welcome({ channel }) {
  const name = channelName(channel);
  const words = channel.purpose?.value || channel.topic?.value;
  return html`<div class="welcome">
    <span class="welcome-mark"><${Icon} name="hash" size=${26} /></span>
    <h2>This is where #${name} begins</h2>
    <p>${words || "Everything written here stays in this local workspace."}</p>
  </div>`;
}

function Skeleton() {
  return html`<div class="skeleton" role="status" aria-label="Loading messages">
    ${[68, 42, 80, 55].map((width) => html`<div class="skeleton-row"><i></i><b style=${{ width: `${width}%` }}></b></div>`)}
  </div>`;
}

function placeholderOf(channel) {
  const first = userName(me.value).split(" ")[0];
  if (roleOf(findUser(me.value)) === "customer") return `Ask in #${channelName(channel)} as ${first}…`;
  return `Write in #${channelName(channel)} as ${first}…`;
}

export function focusMessages(panel) {
  panel?.querySelector('.list [data-ts][tabindex="0"]')?.focus();
}

export function Channel({ id }) {
  const channel = findChannel(id);
  const user = me.value;
  const timeline = openTimeline(id);
  const panel = useRef(null);
  const [newFrom, setNewFrom] = useState("");
  const status = timeline.status.value;
  const latest = latestTs.value[id];

  useEffect(() => {
    loadTimeline(timeline);
    const mark = lastRead(user, id);
    setNewFrom(mark && mark < (latestTs.value[id] ?? "") ? mark : "");
  }, [timeline, status === "empty"]);
  useEffect(() => {
    if (status === "ready" && document.visibilityState === "visible") markRead(user, id, latest);
  }, [status, latest, id, user]);

  if (!channel) {
    return html`<section class="panel panel-main">
      <div class="nothing-here">
        <h2>No such channel</h2>
        <p>${userName(user)} cannot see a channel with this address. Choose one at the left.</p>
      </div>
    </section>`;
  }
  const isSupport = channel.name === "support";
  return html`<section
    class="panel panel-main"
    ref=${panel}
    aria-label=${`Channel ${channelName(channel)}`}
    data-region="channel"
  >
    <header class="panel-head">
      <${SidebarToggle} />
      <h1><${Icon} name="hash" size=${19} />${channelName(channel)}</h1>
      <p class="panel-topic">${channel.topic?.value || channel.purpose?.value}</p>
      ${channel.num_members > 0 && html`<span class="panel-count">${channel.num_members} people</span>`}
    </header>
    ${isSupport && firstApp() && html`<${FirstSteps} channel=${channel} />`}
    ${
      status === "ready" || timeline.messages.value.length
        ? html`<${MessageList}
            key=${`${user}/${id}`}
            timeline=${timeline}
            label=${`Messages in ${channelName(channel)}`}
            newFrom=${newFrom}
            lead=${html`<${Welcome} channel=${channel} />`}
            onAtBottom=${() => markRead(user, id)}
          />`
        : status === "failed"
          ? html`<div class="nothing-here">
              <p>The messages did not load.</p>
              <button type="button" class="button" onClick=${() => loadTimeline(timeline)}>Try again</button>
            </div>`
          : html`<${Skeleton} />`
    }
    ${
      channel.is_member === false
        ? html`<div class="join">
            <p>${userName(user)} is not in #${channelName(channel)}.</p>
            <button type="button" class="button button-primary" onClick=${() => join(id)}>Join the channel</button>
          </div>`
        : html`<${Composer}
            channel=${id}
            placeholder=${placeholderOf(channel)}
            onSent=${() => setNewFrom("")}
            onLeaveUp=${() => focusMessages(panel.current)}
          />`
    }
  </section>`;
}
