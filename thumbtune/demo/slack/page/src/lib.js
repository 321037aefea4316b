// One door to the vendored libraries, so that no other file knows their paths.
import { h, Fragment, Component, render, createContext } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export { h, Fragment, Component, render, createContext };
export {
  useCallback,
  useContext,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "../vendor/hooks.js";
export { signal, computed, effect, batch } from "../vendor/signals.js";

export const html = htm.bind(h);

// Draws `view` again only when one of its props changes.
export function memo(view) {
  return class Memo extends Component {
    shouldComponentUpdate(next) {
      const keys = Object.keys(next);
      return keys.length !== Object.keys(this.props).length || keys.some((key) => next[key] !== this.props[key]);
    }

    render(props) {
      return h(view, props);
    }
  };
}

export const classes = (...names) => names.filter(Boolean).join(" ");
