// "Acting as": the person whose eyes and hands the page is, and the list to change that.
import { classes, html, useEffect, useRef, useState } from "../lib.js";
import { Avatar } from "../parts/avatar.js";
import { Icon } from "../parts/icons.js";
import { walk } from "../parts/menu.js";
import { Popover } from "../parts/popover.js";
import { openPerson } from "../state/doings.js";
import { findUser, me, peopleByRole, ROLE_NAMES, userName } from "../state/session.js";

function PersonList({ anchor, onClose }) {
  const list = useRef(null);
  useEffect(() => list.current.querySelector('[aria-selected="true"]')?.focus(), []);
  const keys = (event) => (event.key === "Tab" ? onClose() : walk(event, list.current, '[role="option"]'));
  const choose = (id) => {
    onClose();
    openPerson(id);
  };
  return html`<${Popover} anchor=${anchor} onClose=${onClose} class="people">
    <div role="listbox" aria-label="Act as" ref=${list} onKeyDown=${keys}>
      ${peopleByRole().map(
        ([role, people]) =>
          html`<div key=${role} role="group" aria-label=${ROLE_NAMES[role]}>
            <h3>${ROLE_NAMES[role]}</h3>
            ${people.map(
              (user) =>
                html`<button
                  type="button"
                  key=${user.id}
                  role="option"
                  tabindex="-1"
                  aria-selected=${user.id === me.value}
                  class=${classes("person", user.id === me.value && "is-me")}
                  onClick=${() => choose(user.id)}
                >
                  <${Avatar} user=${user} size="small" /><span>${userName(user.id)}</span
                  >${user.id === me.value && html`<${Icon} name="check" size=${16} />`}
                </button>`,
            )}
          </div>`,
      )}
    </div>
  </${Popover}>`;
}

export function PersonSwitcher() {
  const button = useRef(null);
  const [isOpen, setOpen] = useState(false);
  const user = findUser(me.value);
  return html`<button
      type="button"
      ref=${button}
      class="acting"
      aria-haspopup="listbox"
      aria-expanded=${isOpen}
      onClick=${() => setOpen(!isOpen)}
      onKeyDown=${(event) => event.key === "ArrowDown" && (event.preventDefault(), setOpen(true))}
    >
      <${Avatar} user=${user} />
      <span class="acting-words"
        ><small>Acting as</small><strong>${userName(me.value)}</strong><em>${user?.profile?.title}</em></span
      >
      <${Icon} name="chevron" />
    </button>
    ${isOpen && html`<${PersonList} anchor=${button.current} onClose=${() => setOpen(false)} />`}`;
}
