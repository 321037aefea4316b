// What a block needs from its surroundings: where it stands, what was entered, and how to send an action.
import { createContext } from "../lib.js";

export const BlockPlace = createContext({
  container: null, // { type: "message", channel, message_ts } or { type: "view", view_id }
  values: {}, // block_id -> action_id -> { type, value | selected_option … }
  errors: {}, // block_id -> sentence
  enter: () => {}, // (block_id, action_id, entry)
  send: async () => {}, // (block_id, element, entry)
});

const GIVEN = {
  plain_text_input: (element) => ({ value: element.initial_value ?? null }),
  email_text_input: (element) => ({ value: element.initial_value ?? null }),
  url_text_input: (element) => ({ value: element.initial_value ?? null }),
  number_input: (element) => ({ value: element.initial_value ?? null }),
  static_select: (element) => ({ selected_option: element.initial_option ?? null }),
  multi_static_select: (element) => ({ selected_options: element.initial_options ?? [] }),
  radio_buttons: (element) => ({ selected_option: element.initial_option ?? null }),
  checkboxes: (element) => ({ selected_options: element.initial_options ?? [] }),
  users_select: (element) => ({ selected_user: element.initial_user ?? null }),
  multi_users_select: (element) => ({ selected_users: element.initial_users ?? [] }),
  channels_select: (element) => ({ selected_channel: element.initial_channel ?? null }),
  multi_channels_select: (element) => ({ selected_channels: element.initial_channels ?? [] }),
  conversations_select: (element) => ({ selected_conversation: element.initial_conversation ?? null }),
  datepicker: (element) => ({ selected_date: element.initial_date ?? null }),
  timepicker: (element) => ({ selected_time: element.initial_time ?? null }),
};

// The values a surface starts with, keeping what was entered under the same ids.
export function initialValues(blocks, entered = {}) {
  const values = {};
  for (const block of blocks ?? []) {
    const elements = [block.element, block.accessory, ...(block.type === "actions" ? block.elements : [])];
    for (const element of elements) {
      const given = element && GIVEN[element.type];
      if (!given) continue;
      const kept = entered[block.block_id]?.[element.action_id];
      values[block.block_id] ??= {};
      values[block.block_id][element.action_id] = kept ?? { type: element.type, ...given(element) };
    }
  }
  return values;
}

export const describeAction = (block_id, element, entry) => ({
  block_id,
  action_id: element.action_id,
  type: element.type,
  ...entry,
});

// The values with an element's newest entry in place; a button adds none.
export function withEntry(values, block_id, element, entry) {
  const isEntered = values[block_id]?.[element.action_id] !== undefined;
  if (!isEntered) return values;
  return { ...values, [block_id]: { ...values[block_id], [element.action_id]: { type: element.type, ...entry } } };
}
