// Holds what is entered into one surface's blocks (a message or the Home tab) and sends its actions.
import { html, useMemo, useState } from "../lib.js";
import { act } from "../state/doings.js";
import { Blocks } from "./blocks.js";
import { BlockPlace, describeAction, initialValues, withEntry } from "./context.js";

export function BlockSurface({ container, blocks }) {
  const [entered, setEntered] = useState({});
  const values = useMemo(() => initialValues(blocks, entered), [blocks, entered]);
  const surroundings = {
    container,
    values,
    errors: {},
    enter: (block_id, action_id, entry) =>
      setEntered((before) => ({ ...before, [block_id]: { ...before[block_id], [action_id]: entry } })),
    send: (block_id, element, entry) =>
      act({
        container,
        ...describeAction(block_id, element, entry),
        state: withEntry(values, block_id, element, entry),
      }),
  };
  return html`<${BlockPlace.Provider} value=${surroundings}><${Blocks} blocks=${blocks} /></${BlockPlace.Provider}>`;
}
