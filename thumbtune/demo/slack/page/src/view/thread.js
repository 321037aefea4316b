// The pane of one thread, with its own composer.
import { html, useEffect, useRef } from "../lib.js";
import { Icon } from "../parts/icons.js";
import { closeThread, loadTimeline } from "../state/doings.js";
import { channelName, findChannel, firstApp, me, userName } from "../state/session.js";
import { statusOf } from "../state/statuses.js";
import { openTimeline } from "../state/timelines.js";
import { focusMessages } from "./channel.js";
import { Composer } from "./composer.js";
import { MessageList } from "./message_list.js";

function drawStatus(channel, ts) {
  const words = statusOf(channel, ts);
  return words && html`<p class="app-status" role="status"><i></i><i></i><i></i>${firstApp()?.name} ${words}</p>`;
}

export function Thread({ channel, ts }) {
  const timeline = openTimeline(channel, ts);
  const panel = useRef(null);
  const status = timeline.status.value;
  useEffect(() => {
    loadTimeline(timeline);
  }, [timeline, status === "empty"]);
  const replies = timeline.messages.value.filter((message) => message.ts !== ts && !message.is_ephemeral).length;
  const first = userName(me.value).split(" ")[0];
  return html`<aside class="panel panel-thread" ref=${panel} aria-label="Thread" data-region="thread">
    <header class="panel-head">
      <h2>Thread</h2>
      <p class="panel-topic">
        #${channelName(findChannel(channel))}${replies ? ` · ${replies} ${replies === 1 ? "reply" : "replies"}` : ""}
      </p>
      <button type="button" class="button-bare" aria-label="Close thread" title="Close  (Esc)" onClick=${closeThread}>
        <${Icon} name="close" />
      </button>
    </header>
    ${
      status === "failed" || (status === "ready" && !timeline.messages.value.length)
        ? html`<div class="nothing-here"><p>This thread is gone.</p></div>`
        : html`<${MessageList}
            key=${`${me.value}/${channel}/${ts}`}
            timeline=${timeline}
            label="Messages in this thread"
            isThread
          />`
    }
    ${drawStatus(channel, ts)}
    <${Composer}
      channel=${channel}
      thread=${ts}
      placeholder=${`Reply as ${first}…`}
      onLeaveUp=${() => focusMessages(panel.current)}
    />
  </aside>`;
}
