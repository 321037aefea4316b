// The app's open modals, as a stack with the newest on top, and its Home tab. Knows no network.
import { signal } from "../lib.js";

export const openViews = signal([]);
export const homeView = signal(undefined); // undefined: not asked yet, null: nothing published

export function showView(view) {
  const rest = view.previous_view_id ? openViews.value.filter((open) => open.id !== view.id) : [];
  openViews.value = [...rest, view];
}

export function replaceView(view, previousId = view.id) {
  openViews.value = openViews.value.map((open) => (open.id === previousId || open.id === view.id ? view : open));
}

export function dropView(id) {
  openViews.value = openViews.value.filter((open) => open.id !== id);
}

export function forgetViews() {
  openViews.value = [];
  homeView.value = undefined;
}
