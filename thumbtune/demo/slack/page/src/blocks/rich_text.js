// Draws a rich_text block by turning it into the tree that mrkdwn gives.
import { html } from "../lib.js";
import { isSafeLink } from "../text/inline.js";
import { drawNodes } from "../text/nodes.js";

const STYLED = { bold: "bold", italic: "italic", strike: "strike", underline: "underline" };

function lines(text) {
  return text
    .split("\n")
    .flatMap((line, index) =>
      index ? [{ kind: "break" }, { kind: "text", text: line }] : [{ kind: "text", text: line }],
    );
}

function bare(element) {
  switch (element.type) {
    case "text":
      return element.style?.code ? [{ kind: "code", text: element.text }] : lines(element.text);
    case "emoji":
      return [{ kind: "emoji", name: element.name }];
    case "link": {
      const children = [{ kind: "text", text: element.text || element.url }];
      return isSafeLink(element.url) ? [{ kind: "link", href: element.url, children }] : children;
    }
    case "user":
      return [{ kind: "user", id: element.user_id }];
    case "channel":
      return [{ kind: "channel", id: element.channel_id }];
    case "usergroup":
      return [{ kind: "group", label: "group" }];
    case "broadcast":
      return [{ kind: "broadcast", label: element.range }];
    case "date":
      return [{ kind: "text", text: element.fallback ?? new Date(element.timestamp * 1000).toLocaleString() }];
    default:
      return element.text ? lines(element.text) : [];
  }
}

function inline(elements = []) {
  return elements.flatMap((element) =>
    Object.entries(STYLED).reduce(
      (nodes, [style, kind]) => (element.style?.[style] ? [{ kind, children: nodes }] : nodes),
      bare(element),
    ),
  );
}

const plain = (elements = []) => elements.map((element) => element.text ?? element.url ?? "").join("");

const PARTS = {
  rich_text_section: (part) => ({ kind: "paragraph", children: inline(part.elements) }),
  rich_text_quote: (part) => ({ kind: "quote", children: [{ kind: "paragraph", children: inline(part.elements) }] }),
  rich_text_preformatted: (part) => ({ kind: "pre", text: plain(part.elements) }),
  rich_text_list: (part) => ({
    kind: "list",
    isOrdered: part.style === "ordered",
    start: (part.offset ?? 0) + 1,
    items: part.elements.map((item) => inline(item.elements)),
  }),
};

export function RichText({ block }) {
  const nodes = (block.elements ?? []).map((part) => PARTS[part.type]?.(part)).filter(Boolean);
  return html`<div class="rich">${drawNodes(nodes)}</div>`;
}
