// A modal dialog over the page, made of the browser's own <dialog>: focus stays inside, Escape asks to close.
import { html, useLayoutEffect, useRef } from "../lib.js";

const FIRST = "[autofocus], .dialog-body :is(input, textarea, select, button)";

export function Dialog({ class: name, label, labelledBy, onCancel, onSubmit, children }) {
  const dialog = useRef(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    dialog.current.querySelector(FIRST)?.focus();
    return () => before?.isConnected && before.focus?.();
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onCancel();
  };
  const keys = (event) => {
    event.stopPropagation();
    if (event.key === "Escape" && !event.defaultPrevented) cancel(event);
  };
  const outside = (event) => event.target === dialog.current && onCancel({ isOutside: true });
  return html`<dialog
    ref=${dialog}
    class=${`dialog ${name ?? ""}`}
    aria-label=${label}
    aria-labelledby=${labelledBy}
    onCancel=${cancel}
    onKeyDown=${keys}
    onPointerDown=${outside}
  >
    <form method="dialog" onSubmit=${(event) => (event.preventDefault(), onSubmit?.())}>${children}</form>
  </dialog>`;
}
