// Draws the short notices and speaks announcements to screen readers.
import { html, useLayoutEffect, useRef } from "../lib.js";
import { announcement, dismissNotice, notices } from "../state/notices.js";
import { Icon } from "./icons.js";

function follow(notice) {
  dismissNotice(notice.id);
  notice.action.run();
}

export function Notices() {
  const layer = useRef(null);
  useLayoutEffect(() => {
    // Shown anew each time, so that a notice lies above a dialog opened meanwhile.
    layer.current.hidePopover?.();
    if (notices.value.length) layer.current.showPopover?.();
  }, [notices.value]);
  return html`<div class="notices" popover="manual" ref=${layer}>
      ${notices.value.map(
        (notice) =>
          html`<div
            key=${notice.id}
            class=${`notice notice-${notice.kind}`}
            role=${notice.kind === "error" ? "alert" : "status"}
          >
            ${notice.kind === "error" && html`<${Icon} name="alert" />`}
            <span>${notice.text}</span>
            ${
              notice.action &&
              html`<button type="button" class="notice-action" onClick=${() => follow(notice)}>
                ${notice.action.label}
              </button>`
            }
            <button type="button" class="button-bare" aria-label="Dismiss" onClick=${() => dismissNotice(notice.id)}>
              <${Icon} name="close" size=${14} />
            </button>
          </div>`,
      )}
    </div>
    <div class="unseen" aria-live="polite">${announcement.value}</div>`;
}
