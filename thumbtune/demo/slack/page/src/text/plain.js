// A message's words without any mark-up: for screen readers, titles and previews.
import { findEmoji } from "./emoji.js";
import { parseMrkdwn } from "./mrkdwn.js";
import { channelName, findChannel, userName } from "../state/session.js";

function wordsOf(node) {
  switch (node.kind) {
    case "text":
      return node.text;
    case "code":
    case "pre":
      return node.text;
    case "emoji":
      return findEmoji(node.name) ?? `:${node.name}:`;
    case "user":
      return `@${userName(node.id)}`;
    case "channel":
      return `#${node.label || channelName(findChannel(node.id))}`;
    case "group":
    case "broadcast":
      return `@${node.label}`;
    case "break":
      return " ";
    case "list":
      return node.items.map((item) => item.map(wordsOf).join("")).join(", ");
    default:
      return (node.children ?? []).map(wordsOf).join("");
  }
}

export const plainWords = (text) =>
  parseMrkdwn(text ?? "")
    .map(wordsOf)
    .join(" ")
    .replace(/\s+/g, " ")
    .trim();
export const plainText = (message) => plainWords(message.text);
