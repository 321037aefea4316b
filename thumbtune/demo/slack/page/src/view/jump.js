// Ctrl/⌘+K: jump to a channel, a person, the app's Home, or a thing the page can do.
import { html, signal, useEffect, useRef, useState } from "../lib.js";
import { Avatar } from "../parts/avatar.js";
import { Dialog } from "../parts/dialog.js";
import { Icon } from "../parts/icons.js";
import { openChannel, openHome, openPerson } from "../state/doings.js";
import { channelName, me, peopleByRole, ROLE_NAMES, session, userName } from "../state/session.js";
import { setFirstSteps } from "./first_steps.js";
import { openShortcutHelp } from "./shortcut_help.js";

const isOpen = signal(false);
export const openJump = () => (isOpen.value = true);
const close = () => (isOpen.value = false);

const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function goals() {
  const { channels, apps } = session.value;
  return [
    ...channels.map((channel) => ({
      key: channel.id,
      label: channelName(channel),
      kind: "Channel",
      mark: html`<${Icon} name="hash" />`,
      run: () => openChannel(channel.id),
    })),
    ...peopleByRole().flatMap(([role, people]) =>
      people
        .filter((user) => user.id !== me.value)
        .map((user) => ({
          key: user.id,
          label: userName(user.id),
          lead: "Act as ",
          kind: ROLE_NAMES[role],
          mark: html`<${Avatar} user=${user} size="tiny" />`,
          run: () => openPerson(user.id),
        })),
    ),
    ...apps.map((app) => ({
      key: app.app_id,
      label: `${app.name} Home`,
      kind: "App",
      mark: html`<${Icon} name="home" />`,
      run: () => openHome(app.app_id),
    })),
    {
      key: "steps",
      label: "First steps",
      lead: "Show the ",
      kind: "Help",
      mark: html`<${Icon} name="bolt" />`,
      run: () => (
        setFirstSteps(true),
        openChannel(
          session.value.channels.find((channel) => channel.name === "support")?.id ?? session.value.channels[0].id,
        )
      ),
    },
    {
      key: "keys",
      label: "Keyboard shortcuts",
      kind: "Help",
      mark: html`<${Icon} name="keyboard" />`,
      run: openShortcutHelp,
    },
  ];
}

function matches(goal, words) {
  const label = fold(`${goal.lead ?? ""}${goal.label} ${goal.kind}`);
  return fold(words)
    .split(/\s+/)
    .filter(Boolean)
    .every((word) => label.includes(word));
}

function JumpBox() {
  const [words, setWords] = useState("");
  const [at, setAt] = useState(0);
  const list = useRef(null);
  const found = goals().filter((goal) => matches(goal, words));
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [at]);
  const go = (goal) => {
    if (!goal) return;
    close();
    goal.run();
  };
  const keys = (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (!(event.key in steps) || !found.length) return;
    event.preventDefault();
    setAt((at + steps[event.key] + found.length) % found.length);
  };
  return html`<${Dialog} class="dialog-jump" label="Jump to" onCancel=${close} onSubmit=${() => go(found[at])}>
    <div class="jump-field">
      <${Icon} name="search" />
      <input
        type="text"
        autofocus
        role="combobox"
        aria-expanded="true"
        aria-controls="jump-list"
        aria-activedescendant=${`jump-${at}`}
        aria-label="Jump to a channel or a person"
        placeholder="Jump to a channel or a person"
        value=${words}
        onInput=${(event) => (setWords(event.currentTarget.value), setAt(0))}
        onKeyDown=${keys}
      />
      <kbd>Esc</kbd>
    </div>
    <div class="jump-list" id="jump-list" role="listbox" aria-label="Places" ref=${list}>
      ${found.map(
        (goal, index) =>
          html`<div
            key=${goal.key}
            id=${`jump-${index}`}
            role="option"
            aria-selected=${index === at}
            class="jump-goal"
            onPointerMove=${() => setAt(index)}
            onClick=${() => go(goal)}
          >
            <span class="jump-mark">${goal.mark}</span
            ><span class="jump-label"><span>${goal.lead}</span>${goal.label}</span><small>${goal.kind}</small>
          </div>`,
      )}
      ${!found.length && html`<p class="nothing">Nothing here has that name.</p>`}
    </div>
  </${Dialog}>`;
}

export const Jump = () => (isOpen.value ? html`<${JumpBox} />` : null);
