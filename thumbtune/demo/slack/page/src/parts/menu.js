// A button that opens a menu, walked with the arrow keys. Knows its items and nothing else.
import { classes, html, useEffect, useRef, useState } from "../lib.js";
import { Icon } from "./icons.js";
import { Popover } from "./popover.js";

export function walk(event, container, selector, { wraps = true } = {}) {
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  const entries = [...container.querySelectorAll(selector)];
  if (!entries.length) return false;
  const at = entries.indexOf(document.activeElement);
  let next;
  if (event.key in steps) next = at + steps[event.key];
  else if (event.key === "Home") next = 0;
  else if (event.key === "End") next = entries.length - 1;
  else return false;
  event.preventDefault();
  if (wraps) next = (next + entries.length) % entries.length;
  entries[Math.max(0, Math.min(next, entries.length - 1))].focus();
  return true;
}

function Menu({ anchor, items, onClose, side }) {
  const list = useRef(null);
  useEffect(() => list.current?.querySelector('[role="menuitem"]')?.focus(), []);
  const choose = (item) => {
    onClose();
    anchor.focus?.();
    item.run();
  };
  const keys = (event) => {
    if (event.key === "Tab") onClose();
    else walk(event, list.current, '[role="menuitem"]');
    event.stopPropagation();
  };
  return html`<${Popover} anchor=${anchor} side=${side} onClose=${onClose} class="menu">
    <div role="menu" ref=${list} onKeyDown=${keys}>
      ${items.map((item) =>
        item.heading
          ? html`<div class="menu-heading" role="presentation">${item.heading}</div>`
          : html`<button
              type="button"
              role="menuitem"
              tabindex="-1"
              class=${classes("menu-item", item.isDanger && "is-danger")}
              onClick=${() => choose(item)}
            >
              ${item.icon && html`<${Icon} name=${item.icon} />`}
              <span class="menu-label">${item.label}${item.detail && html`<small>${item.detail}</small>`}</span>
              ${item.keys && html`<kbd>${item.keys}</kbd>`}
            </button>`,
      )}
    </div>
  </${Popover}>`;
}

export function MenuButton({ items, label, icon = "dots", class: name, side = "right-edge", onOpenChange, tabIndex }) {
  const button = useRef(null);
  const [isOpen, setOpen] = useState(false);
  const set = (open) => {
    setOpen(open);
    onOpenChange?.(open);
  };
  return html`<button
      type="button"
      ref=${button}
      class=${name}
      aria-label=${label}
      title=${label}
      aria-haspopup="menu"
      aria-expanded=${isOpen}
      tabindex=${tabIndex}
      onClick=${() => set(!isOpen)}
    >
      <${Icon} name=${icon} />
    </button>
    ${isOpen && html`<${Menu} anchor=${button.current} items=${items} side=${side} onClose=${() => set(false)} />`}`;
}
