// Places a small panel beside the control that opened it, and closes it on Escape, on a click elsewhere or on scrolling away.
import { html, useEffect, useLayoutEffect, useRef } from "../lib.js";

const GAP = 6;
const EDGE = 8;

function placeBeside(panel, anchor, side) {
  const { width, height } = panel.getBoundingClientRect();
  const above = anchor.top - height - GAP;
  const below = anchor.bottom + GAP;
  const fitsBelow = below + height <= innerHeight - EDGE;
  const fitsAbove = above >= EDGE;
  const top = side === "above" ? (fitsAbove || !fitsBelow ? above : below) : fitsBelow || !fitsAbove ? below : above;
  const left = side === "right-edge" ? anchor.right - width : anchor.left;
  panel.style.top = `${Math.max(EDGE, Math.min(top, innerHeight - height - EDGE))}px`;
  panel.style.left = `${Math.max(EDGE, Math.min(left, innerWidth - width - EDGE))}px`;
}

export function Popover({ anchor, side, onClose, class: name, children, ...rest }) {
  const panel = useRef(null);
  useLayoutEffect(() => {
    placeBeside(panel.current, anchor.getBoundingClientRect(), side);
  });
  useEffect(() => {
    const outside = (event) => {
      if (!panel.current?.contains(event.target) && !anchor.contains(event.target)) onClose();
    };
    const escape = (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      onClose();
      anchor.focus?.();
    };
    document.addEventListener("pointerdown", outside, true);
    document.addEventListener("keydown", escape, true);
    return () => {
      document.removeEventListener("pointerdown", outside, true);
      document.removeEventListener("keydown", escape, true);
    };
  }, [anchor]);
  return html`<div ref=${panel} class=${`popover ${name ?? ""}`} ...${rest}>${children}</div>`;
}
