// Reads a markdown block (standard Markdown) into the same tree that mrkdwn gives. Raw HTML stays visible text.
import { marked } from "../../vendor/marked.js";
import { isSafeLink, parseInline, unescape } from "./inline.js";

const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
const decode = (text) => text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity]);
const words = (text) => parseInline(decode(text), { marks: false });

const INLINE = {
  text: (token) => (token.tokens ? inline(token.tokens) : words(token.text)),
  escape: (token) => words(token.text),
  strong: (token) => [{ kind: "bold", children: inline(token.tokens) }],
  em: (token) => [{ kind: "italic", children: inline(token.tokens) }],
  del: (token) => [{ kind: "strike", children: inline(token.tokens) }],
  codespan: (token) => [{ kind: "code", text: decode(token.text) }],
  br: () => [{ kind: "break" }],
  link: (token) => {
    const children = inline(token.tokens);
    return isSafeLink(token.href) ? [{ kind: "link", href: unescape(token.href), children }] : children;
  },
  image: (token) => words(token.text || token.href),
};

const inline = (tokens = []) => tokens.flatMap((token) => (INLINE[token.type] ?? ((other) => words(other.raw)))(token));

const cell = (part) => inline(part.tokens);

const BLOCKS = {
  space: () => [],
  paragraph: (token) => [{ kind: "paragraph", children: inline(token.tokens) }],
  text: (token) => [{ kind: "paragraph", children: INLINE.text(token) }],
  heading: (token) => [{ kind: "heading", level: token.depth, children: inline(token.tokens) }],
  code: (token) => [{ kind: "pre", text: token.text }],
  blockquote: (token) => [{ kind: "quote", children: blocks(token.tokens) }],
  hr: () => [{ kind: "rule" }],
  list: (token) => [
    {
      kind: "list",
      isOrdered: token.ordered,
      start: token.start || 1,
      items: token.items.map((item) =>
        item.tokens.flatMap((part) => (part.type === "text" ? INLINE.text(part) : block(part))),
      ),
    },
  ],
  table: (token) => [{ kind: "table", header: token.header.map(cell), rows: token.rows.map((row) => row.map(cell)) }],
};

const block = (token) =>
  (BLOCKS[token.type] ?? ((other) => [{ kind: "paragraph", children: words(other.raw) }]))(token);
const blocks = (tokens) => tokens.flatMap(block);

export const parseMarkdown = (text) => blocks(marked.lexer(text));
