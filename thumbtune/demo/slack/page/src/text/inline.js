// Reads mark-up inside one paragraph: bold, italic, strike, code, links, mentions, emoji.
import { findEmoji, nameOfEmoji } from "./emoji.js";

const STYLES = { "*": "bold", _: "italic", "~": "strike" };
const WORD = /[\p{L}\p{N}]/u;
const EMOJI_NAME = /^:([a-z0-9_+'-]+(?:::skin-tone-[2-6])?):/;
const BARE_URL = /^https?:\/\/[^\s<>|]+[^\s<>|.,;:!?'")\]}*_~]/;
const PICTOGRAPH =
  /^(?:\p{RI}\p{RI}|(?:\p{Emoji_Presentation}|\p{Emoji}\uFE0F)\p{EMod}?\uFE0F?(?:\u200D\p{Emoji}\p{EMod}?\uFE0F?)*)/u;
const LONGEST_RUN = 3000; // characters between a mark and its twin: keeps hostile text from costing time
const SAFE_LINK = /^(?:https?:|mailto:|tel:)/i;

export function unescape(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

export const isSafeLink = (href) => SAFE_LINK.test(href.trim());

// <…> as Slack writes it: a mention, a broadcast, a date or a link.
function parseAngle(inner) {
  const [target, label = ""] = inner.split(/\|(.*)/s);
  const shown = unescape(label);
  if (/^@[UW][A-Z0-9]*$/.test(target)) return { kind: "user", id: target.slice(1) };
  if (/^#[CGD][A-Z0-9]*$/.test(target)) return { kind: "channel", id: target.slice(1), label: shown };
  if (target.startsWith("!subteam^")) return { kind: "group", label: shown.replace(/^@/, "") || "group" };
  if (/^!(?:here|channel|everyone)$/.test(target)) return { kind: "broadcast", label: target.slice(1) };
  if (target.startsWith("!date^")) return { kind: "text", text: shown };
  const href = unescape(target);
  if (isSafeLink(href)) {
    const children = label
      ? parseInline(label, { links: false })
      : [{ kind: "text", text: href.replace(/^mailto:/, "") }];
    return { kind: "link", href, children };
  }
  return null;
}

// Where the run opened at `at` closes, or -1: a mark hugs its words, stands at a word's edge and stays on its line.
function findClose(text, at, mark) {
  const before = text[at - 1];
  const first = text[at + 1] ?? " ";
  if ((before && (WORD.test(before) || before === mark)) || first.trim() === "" || first === mark) return -1;
  const lineEnd = text.indexOf("\n", at);
  const end = Math.min(lineEnd < 0 ? text.length : lineEnd, at + LONGEST_RUN);
  for (let close = at + 2; close < end; close += 1) {
    if (text[close] !== mark || text[close - 1].trim() === "") continue;
    const after = text[close + 1] ?? "";
    if (after !== mark && !WORD.test(after)) return close;
  }
  return -1;
}

export function parseInline(text, { marks = true, links = true, hasEmoji = true } = {}) {
  const nodes = [];
  let pending = "";
  const flush = () => {
    if (pending) nodes.push({ kind: "text", text: unescape(pending) });
    pending = "";
  };
  const push = (node) => {
    flush();
    nodes.push(node);
  };
  let at = 0;
  while (at < text.length) {
    const character = text[at];
    if (marks && character === "<") {
      const end = text.indexOf(">", at);
      const node = end > at && links ? parseAngle(text.slice(at + 1, end)) : null;
      if (node) {
        push(node);
        at = end + 1;
        continue;
      }
    }
    if (marks && character === "`") {
      const close = findClose(text, at, "`");
      if (close > 0) {
        push({ kind: "code", text: unescape(text.slice(at + 1, close).replace(/<([^<>|]+)(?:\|[^<>]*)?>/g, "$1")) });
        at = close + 1;
        continue;
      }
    }
    if (marks && STYLES[character]) {
      const close = findClose(text, at, character);
      if (close > 0) {
        push({ kind: STYLES[character], children: parseInline(text.slice(at + 1, close), { links }) });
        at = close + 1;
        continue;
      }
    }
    if (marks && character === "\n") {
      push({ kind: "break" });
      at += 1;
      continue;
    }
    if (hasEmoji && character === ":") {
      const name = EMOJI_NAME.exec(text.slice(at, at + 80))?.[1];
      if (name && findEmoji(name)) {
        push({ kind: "emoji", name });
        at += name.length + 2;
        continue;
      }
    }
    if (marks && links && character === "h" && !WORD.test(text[at - 1] ?? "")) {
      const url = BARE_URL.exec(text.slice(at, at + 2000))?.[0];
      if (url) {
        push({ kind: "link", href: unescape(url), children: [{ kind: "text", text: unescape(url) }] });
        at += url.length;
        continue;
      }
    }
    if (text.charCodeAt(at) > 0x2000) {
      const pictograph = PICTOGRAPH.exec(text.slice(at, at + 40))?.[0];
      if (pictograph) {
        push({ kind: "emoji", name: nameOfEmoji(pictograph) ?? "", character: pictograph });
        at += pictograph.length;
        continue;
      }
    }
    pending += character;
    at += 1;
  }
  flush();
  return nodes;
}
