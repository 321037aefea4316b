// The newcomer's hint in #support: four steps from a question to a lesson, each with the click that does it.
import { html, signal } from "../lib.js";
import { Icon } from "../parts/icons.js";
import { openPerson } from "../state/doings.js";
import { me, peopleByRole, roleOf, findUser, userName } from "../state/session.js";

const STORAGE_KEY = "thumbtune.first-steps";

function wasDismissed() {
  try {
    return localStorage.getItem(STORAGE_KEY) === "done";
  } catch {
    return false;
  }
}

const isDismissed = signal(wasDismissed());

export function setFirstSteps(isShown) {
  isDismissed.value = !isShown;
  try {
    if (isShown) localStorage.removeItem(STORAGE_KEY);
    else localStorage.setItem(STORAGE_KEY, "done");
  } catch {
    // Without storage the hint returns on the next visit.
  }
}

const firstOf = (role) => peopleByRole().find(([name]) => name === role)?.[1][0]?.id;

function ActAs({ user }) {
  if (!user) return null;
  const first = userName(user).split(" ")[0];
  if (user === me.value) return html`<span class="step-here">You are ${first} now</span>`;
  return html`<button type="button" class="step-go" onClick=${() => openPerson(user)}>Act as ${first}</button>`;
}

export function FirstSteps() {
  if (isDismissed.value) return null;
  const agent = roleOf(findUser(me.value)) === "agent" ? me.value : firstOf("agent");
  const steps = [
    ["Customers write here", "Ask something as a customer would.", html`<${ActAs} user=${firstOf("customer")} />`],
    [
      "An agent asks for a draft",
      html`Open a message’s <b>⋯</b> menu and choose <b>Draft a reply</b>. Only the agent sees it.`,
      html`<${ActAs} user=${agent} />`,
    ],
    [
      html`<span class="emoji">👍</span> what is good`,
      "A thumbs up on a teammate’s reply becomes a training pair.",
      null,
    ],
    [
      "The lead retrains",
      html`<b>/retrain</b> tunes the voice, and the next draft uses it.`,
      html`<${ActAs} user=${firstOf("lead")} />`,
    ],
  ];
  return html`<section class="first-steps" aria-label="First steps">
    <ol>
      ${steps.map(
        ([title, words, go]) =>
          html`<li>
            <strong>${title}</strong>
            <p>${words}</p>
            ${go}
          </li>`,
      )}
    </ol>
    <button
      type="button"
      class="button-bare"
      aria-label="Hide the first steps"
      title="Hide. Find it again with Ctrl K"
      onClick=${() => setFirstSteps(false)}
    >
      <${Icon} name="close" size=${16} />
    </button>
  </section>`;
}
