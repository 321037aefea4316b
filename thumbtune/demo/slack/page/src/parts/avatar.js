// A person's initials on their colour, or the app's mark. Knows user objects only.
import { classes, html } from "../lib.js";

const initialsOf = (name) => {
  const parts = name.split(/\s+/).filter(Boolean);
  return ((parts[0]?.[0] ?? "?") + (parts.length > 1 ? parts.at(-1)[0] : "")).toUpperCase();
};

export function Avatar({ user, name, size = "medium", isApp }) {
  const shown = name || user?.profile?.real_name || user?.real_name || user?.name || "?";
  const color = /^[0-9a-f]{6}$/i.test(user?.color ?? "") ? `#${user.color}` : undefined;
  const app = isApp ?? user?.is_bot;
  return html`<span
    class=${classes("avatar", `avatar-${size}`, app && "avatar-app")}
    style=${color && !app ? { "--person": color } : undefined}
    aria-hidden="true"
  >
    ${
      app
        ? html`<svg viewBox="0 0 24 24">
            <path
              d="M8 20V10.5l3.6-6.3c1.5 0 2.3 1.1 2.1 2.5L13.2 10h4.4c1.2 0 2 1.1 1.7 2.2l-1.6 6.2A2.2 2.2 0 0 1 15.600 20ZM4.700 10.800h.010v8.900H4.700Z"
            />
          </svg>`
        : initialsOf(shown)
    }
  </span>`;
}
