// Line icons of the page, drawn by this project on a 20 × 20 grid.
import { html } from "../lib.js";

const PATHS = {
  hash: "M8 3.5 6.6 16.5M13.4 3.5 12 16.5M4 7.5h12.6M3.4 12.5H16",
  home: "M3.5 9.2 10 3.8l6.5 5.4M5.3 8v8.2h3.4v-4.4h2.6v4.4h3.4V8",
  search: "M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11ZM13.2 13.2l3.6 3.6",
  close: "m5.5 5.5 9 9M14.5 5.5l-9 9",
  reply: "M4 9.2c0-3 2.7-5.2 6-5.2s6 2.2 6 5.2-2.7 5.2-6 5.2c-.8 0-1.6-.1-2.3-.4L4.6 15.6l.8-2.9A5 5 0 0 1 4 9.2Z",
  smile: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM7.2 11.6c.6 1.2 1.6 1.8 2.8 1.8s2.2-.6 2.8-1.8M7.7 8v.4M12.3 8v.4",
  dots: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  send: "M3.6 4.2 16.8 10 3.6 15.8 5 10.6 11 10 5 9.4Z",
  down: "M10 4v12M5 11.2 10 16l5-4.8",
  chevron: "m6 8 4 4 4-4",
  check: "m4.5 10.5 3.6 3.6 7.4-8",
  pencil: "m4 16 .8-3.4 8.4-8.4 2.6 2.6-8.4 8.4Z",
  trash: "M4 6h12M8 6V4h4v2M5.6 6l.8 10.4h7.2L14.4 6",
  link: "M8.5 11.5a3 3 0 0 0 4.3 0l2.6-2.6a3 3 0 0 0-4.3-4.3l-.9.9M11.5 8.5a3 3 0 0 0-4.3 0l-2.6 2.6a3 3 0 0 0 4.3 4.3l.9-.9",
  bolt: "M11 3 4.8 11.2h4.4L8.4 17l6.8-8.6h-4.6Z",
  eye: "M2.8 10S5.4 5.2 10 5.2 17.2 10 17.2 10 14.6 14.8 10 14.8 2.8 10 2.8 10ZM10 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  menu: "M3.5 6h13M3.5 10h13M3.5 14h13",
  keyboard: "M3 5.5h14v9H3ZM6 8.5h.01M9 8.5h.01M12 8.5h.01M14.5 8.5h.01M6.5 11.8h7",
  alert: "M10 3.6 17.2 16H2.8ZM10 8.4v3.4M10 13.9v.1",
};

export function Icon({ name, size = 18 }) {
  return html`<svg class="icon" viewBox="0 0 20 20" width=${size} height=${size} aria-hidden="true" focusable="false">
    <path d=${PATHS[name]} stroke-width=${name === "dots" ? 2.6 : undefined} />
  </svg>`;
}
