// Draws what can be entered: text, choices, people, channels, dates. The entry has the shape of Slack's view.state.
import { html, useContext, useLayoutEffect, useRef } from "../lib.js";
import { channelName, session, userName } from "../state/session.js";
import { drawText } from "../text/nodes.js";
import { BlockPlace } from "./context.js";

const flatOptions = (element) => element.options ?? (element.option_groups ?? []).flatMap((group) => group.options);

const LARGEST_PX = 420;

// Lets a text area grow with its text.
function useGrowth(value) {
  const box = useRef(null);
  useLayoutEffect(() => {
    const grow = () => {
      if (!box.current?.offsetParent) return;
      box.current.style.height = "auto";
      box.current.style.height = `${Math.min(box.current.scrollHeight + 2, LARGEST_PX)}px`;
    };
    grow();
    if (box.current && !box.current.offsetParent) requestAnimationFrame(grow); // its dialog is about to open
  }, [value]);
  return box;
}

function TextInput({ element, entry, enter, id, describedBy, isInvalid }) {
  const box = useGrowth(entry.value);
  const common = {
    id,
    class: "field",
    value: entry.value ?? "",
    placeholder: element.placeholder?.text,
    maxlength: element.max_length,
    autofocus: element.focus_on_load,
    "aria-describedby": describedBy,
    "aria-invalid": isInvalid,
    onInput: (event) => enter({ value: event.currentTarget.value === "" ? null : event.currentTarget.value }),
  };
  if (element.multiline) return html`<textarea ...${common} ref=${box} rows="4" dir="auto"></textarea>`;
  const types = { email_text_input: "email", url_text_input: "url", number_input: "number" };
  return html`<input
    ...${common}
    type=${types[element.type] ?? "text"}
    dir="auto"
    step=${element.is_decimal_allowed ? "any" : undefined}
    min=${element.min_value}
    max=${element.max_value}
  />`;
}

// One choice from a list; `options` are [value, words] and `pick` gets the value.
function Choice({ id, element, value, options, pick, describedBy, isInvalid, label }) {
  return html`<span class="select"
    ><select
      id=${id}
      class="field"
      value=${value ?? ""}
      aria-label=${label}
      aria-describedby=${describedBy}
      aria-invalid=${isInvalid}
      onChange=${(event) => pick(event.currentTarget.value)}
    >
      <option value="" disabled hidden>${element.placeholder?.text ?? "Choose…"}</option>
      ${options.map(([id, words]) => html`<option key=${id} value=${id} selected=${id === value}>${words}</option>`)}
    </select></span
  >`;
}

function StaticSelect(props) {
  const { element, entry, enter } = props;
  const options = flatOptions(element);
  const pick = (value) => enter({ selected_option: options.find((option) => option.value === value) });
  return html`<${Choice}
    ...${props}
    value=${entry.selected_option?.value}
    pick=${pick}
    options=${options.map((option) => [option.value, option.text.text])}
  />`;
}

const people = () =>
  [...session.value.users.values()].filter((user) => !user.deleted).map((user) => [user.id, userName(user.id)]);
const channels = () => session.value.channels.map((channel) => [channel.id, `#${channelName(channel)}`]);

const pickOne = (key, list) => (props) =>
  html`<${Choice}
    ...${props}
    value=${props.entry[key]}
    options=${list()}
    pick=${(value) => props.enter({ [key]: value })}
  />`;

function Marks({ kind, id, options, isOn, toggle, isInvalid, describedBy }) {
  return html`<div
    class="marks"
    id=${id}
    role=${kind === "radio" ? "radiogroup" : "group"}
    aria-describedby=${describedBy}
    aria-invalid=${isInvalid}
  >
    ${options.map(
      ([value, words, detail]) =>
        html`<label class="mark">
          <input type=${kind} name=${id} checked=${isOn(value)} onChange=${() => toggle(value)} />
          <span>${words}${detail && html`<small>${detail}</small>`}</span>
        </label>`,
    )}
  </div>`;
}

const drawnOptions = (element) =>
  flatOptions(element).map((option) => [
    option.value,
    drawText(option.text, { isInline: true }),
    option.description?.text,
  ]);

function Radios(props) {
  const { element, entry, enter } = props;
  const toggle = (value) => enter({ selected_option: flatOptions(element).find((option) => option.value === value) });
  return html`<${Marks}
    ...${props}
    kind="radio"
    options=${drawnOptions(element)}
    toggle=${toggle}
    isOn=${(value) => entry.selected_option?.value === value}
  />`;
}

function Checks(props) {
  const { element, entry, enter } = props;
  const chosen = new Set((entry.selected_options ?? []).map((option) => option.value));
  const toggle = (value) => {
    if (!chosen.delete(value)) chosen.add(value);
    enter({ selected_options: flatOptions(element).filter((option) => chosen.has(option.value)) });
  };
  return html`<${Marks}
    ...${props}
    kind="checkbox"
    options=${drawnOptions(element)}
    toggle=${toggle}
    isOn=${(value) => chosen.has(value)}
  />`;
}

const pickMany = (key, list) => (props) => {
  const chosen = new Set(props.entry[key] ?? []);
  const toggle = (value) => {
    if (!chosen.delete(value)) chosen.add(value);
    props.enter({ [key]: [...chosen] });
  };
  return html`<${Marks}
    ...${props}
    kind="checkbox"
    options=${list()}
    toggle=${toggle}
    isOn=${(value) => chosen.has(value)}
  />`;
};

const pickMoment = (key, type) => (props) =>
  html`<input
    id=${props.id}
    class="field field-short"
    type=${type}
    value=${props.entry[key] ?? ""}
    aria-label=${props.label}
    aria-describedby=${props.describedBy}
    aria-invalid=${props.isInvalid}
    onChange=${(event) => props.enter({ [key]: event.currentTarget.value || null })}
  />`;

const KINDS = {
  plain_text_input: TextInput,
  email_text_input: TextInput,
  url_text_input: TextInput,
  number_input: TextInput,
  static_select: StaticSelect,
  radio_buttons: Radios,
  checkboxes: Checks,
  multi_static_select: Checks,
  users_select: pickOne("selected_user", people),
  channels_select: pickOne("selected_channel", channels),
  conversations_select: pickOne("selected_conversation", channels),
  multi_users_select: pickMany("selected_users", people),
  multi_channels_select: pickMany("selected_channels", channels),
  datepicker: pickMoment("selected_date", "date"),
  timepicker: pickMoment("selected_time", "time"),
};

export const isField = (element) => element.type in KINDS;

export function Field({ element, blockId, onChoose, ...rest }) {
  const place = useContext(BlockPlace);
  const entry = place.values[blockId]?.[element.action_id] ?? {};
  const enter = (change) => {
    place.enter(blockId, element.action_id, { type: element.type, ...change });
    onChoose?.(change);
  };
  return html`<${KINDS[element.type]} element=${element} entry=${entry} enter=${enter} ...${rest} />`;
}
