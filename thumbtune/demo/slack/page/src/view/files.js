// The files of a message: pictures in place, everything else as a named card.
import { html } from "../lib.js";

const SIZES = ["B", "kB", "MB", "GB"];

function saySize(size_bytes) {
  if (!size_bytes) return "";
  const step = Math.min(Math.floor(Math.log10(size_bytes) / 3), SIZES.length - 1);
  return `${(size_bytes / 1000 ** step).toFixed(step ? 1 : 0)} ${SIZES[step]}`;
}

const isPicture = (file) => file.mimetype?.startsWith("image/");

export function Files({ files }) {
  return html`<div class="files">
    ${files.map((file) => {
      const address = file.url_private;
      const title = file.title || file.name || "File";
      if (isPicture(file) && address)
        return html`<a href=${address} target="_blank" rel="noopener"
          ><img class="file-image" src=${address} alt=${file.alt_txt || title} loading="lazy"
        /></a>`;
      return html`<a class="file-card" href=${address} target="_blank" rel="noopener"
        ><strong>${title}</strong
        ><small>${[file.pretty_type || file.filetype, saySize(file.size)].filter(Boolean).join(" · ")}</small></a
      >`;
    })}
  </div>`;
}
