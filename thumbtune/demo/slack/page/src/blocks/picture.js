// Draws an image block; a picture that cannot be had leaves its description.
import { html, useState } from "../lib.js";
import { drawText } from "../text/nodes.js";

export function Picture({ block }) {
  const [isBroken, setBroken] = useState(false);
  const address = block.image_url ?? block.slack_file?.url;
  return html`<figure class="block-image">
    ${block.title && html`<figcaption>${drawText(block.title, { isInline: true })}</figcaption>`}
    ${
      isBroken || !address
        ? html`<div class="image-missing">${block.alt_text || "Picture"}</div>`
        : html`<img src=${address} alt=${block.alt_text} loading="lazy" onError=${() => setBroken(true)} />`
    }
  </figure>`;
}
