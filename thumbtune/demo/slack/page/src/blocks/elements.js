// Draws the interactive elements of blocks: buttons, menus and everything that is entered.
import { classes, html, useContext, useState } from "../lib.js";
import { askFirst } from "../parts/confirm.js";
import { MenuButton } from "../parts/menu.js";
import { drawText } from "../text/nodes.js";
import { BlockPlace } from "./context.js";
import { Field, isField } from "./fields.js";

// Sends an element's action; `isBusy` while the app has not answered.
export function useSend(blockId, element) {
  const place = useContext(BlockPlace);
  const [isBusy, setBusy] = useState(false);
  const send = async (entry) => {
    if (isBusy) return;
    if (element.confirm && !(await askFirst(element.confirm))) return;
    setBusy(true);
    try {
      await place.send(blockId, element, entry);
    } finally {
      setBusy(false);
    }
  };
  return { send, isBusy };
}

function Button({ element, blockId }) {
  const { send, isBusy } = useSend(blockId, element);
  const press = () => {
    if (element.url) window.open(element.url, "_blank", "noopener,noreferrer");
    send(element.value === undefined ? {} : { value: element.value });
  };
  const style = element.style ? `button-${element.style}` : "";
  return html`<button
    type="button"
    class=${classes("button", style, isBusy && "is-busy")}
    aria-busy=${isBusy}
    aria-label=${element.accessibility_label}
    onClick=${press}
  >
    ${drawText(element.text, { isInline: true })}
  </button>`;
}

function IconButton({ element, blockId }) {
  const { send, isBusy } = useSend(blockId, element);
  return html`<button
    type="button"
    class="button button-quiet"
    aria-busy=${isBusy}
    onClick=${() => send({ value: element.value })}
  >
    ${drawText(element.text, { isInline: true })}
  </button>`;
}

function FeedbackButtons({ element, blockId }) {
  const { send, isBusy } = useSend(blockId, element);
  const choices = [
    ["👍", element.positive_button],
    ["👎", element.negative_button],
  ];
  return html`<span class="feedback" role="group" aria-label="Feedback">
    ${choices.map(
      ([mark, choice]) =>
        html`<button
          type="button"
          class="button button-quiet"
          aria-busy=${isBusy}
          aria-label=${choice.accessibility_label ?? choice.text.text}
          title=${choice.text.text}
          onClick=${() => send({ value: choice.value })}
        >
          <span class="emoji">${mark}</span>
        </button>`,
    )}
  </span>`;
}

function Overflow({ element, blockId }) {
  const { send } = useSend(blockId, element);
  const items = element.options.map((option) => ({
    label: drawText(option.text, { isInline: true }),
    detail: option.description?.text,
    run: () => {
      if (option.url) window.open(option.url, "_blank", "noopener,noreferrer");
      send({ selected_option: option });
    },
  }));
  return html`<${MenuButton} class="button button-icon" label="More choices" items=${items} />`;
}

const Image = ({ element }) => html`<img class="accessory-image" src=${element.image_url} alt=${element.alt_text} />`;

// A field outside an input block sends its action on every choice.
function LiveField({ element, blockId }) {
  const { send, isBusy } = useSend(blockId, element);
  return html`<${Field}
    element=${element}
    blockId=${blockId}
    onChoose=${send}
    isBusy=${isBusy}
    label=${element.placeholder?.text}
  />`;
}

const KINDS = {
  button: Button,
  workflow_button: Button,
  icon_button: IconButton,
  feedback_buttons: FeedbackButtons,
  overflow: Overflow,
  image: Image,
};

export function Element({ element, blockId }) {
  const kind = KINDS[element.type] ?? (isField(element) ? LiveField : null);
  if (!kind) return html`<span class="block-unknown">This page cannot show a “${element.type}” element yet.</span>`;
  return html`<${kind} element=${element} blockId=${blockId} />`;
}
