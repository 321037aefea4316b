// Reads Slack's mrkdwn into a tree of plain objects. Makes no HTML: what is not known mark-up stays text.
import { parseInline, unescape } from "./inline.js";

const FENCE = /```\n?([\s\S]*?)\n?```/g;
const QUOTE = /^(?:&gt;|>) ?/;
const BULLET = /^(\s*)(?:[•◦▪*-])\s+(?=\S)/;
const NUMBER = /^(\s*)(\d{1,3})[.)]\s+(?=\S)/;

function parseLines(text) {
  const blocks = [];
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) blocks.push({ kind: "paragraph", children: parseInline(paragraph.join("\n")) });
    paragraph = [];
  };
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at];
    if (QUOTE.test(line)) {
      flush();
      const quoted = [];
      while (at < lines.length && QUOTE.test(lines[at])) quoted.push(lines[at++].replace(QUOTE, ""));
      at -= 1;
      blocks.push({ kind: "quote", children: parseLines(quoted.join("\n")) });
    } else if (BULLET.test(line) || NUMBER.test(line)) {
      flush();
      const mark = BULLET.test(line) ? BULLET : NUMBER;
      const items = [];
      const start = Number(NUMBER.exec(line)?.[2] ?? 1);
      while (at < lines.length && mark.test(lines[at])) items.push(parseInline(lines[at++].replace(mark, "")));
      at -= 1;
      blocks.push({ kind: "list", isOrdered: mark === NUMBER, start, items });
    } else if (line.trim() === "") {
      flush();
    } else {
      paragraph.push(line);
    }
  }
  flush();
  return blocks;
}

export function parseMrkdwn(text) {
  const blocks = [];
  let from = 0;
  for (const fence of text.matchAll(FENCE)) {
    blocks.push(...parseLines(text.slice(from, fence.index)));
    blocks.push({ kind: "pre", text: unescape(fence[1].replace(/<([^<>|]+)(?:\|([^<>]*))?>/g, "$1")) });
    from = fence.index + fence[0].length;
  }
  blocks.push(...parseLines(text.slice(from)));
  return blocks;
}

// A plain_text object: emoji names count, mark-up does not.
export function parsePlain(text, { hasEmoji = true } = {}) {
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    const nodes = parseInline(line, { marks: false, hasEmoji });
    return index < lines.length - 1 ? [...nodes, { kind: "break" }] : nodes;
  });
}
