// Turns what a person typed into what Slack stores: escaped text with mentions, and back again for editing.
import { findUser, session, userName } from "../state/session.js";
import { unescape } from "./inline.js";

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const escapeForRegExp = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

// "@Priya Nair" and "#support" become mentions when such a person or channel exists; nothing else does.
export function encodeTyped(typed) {
  const targets = new Map();
  for (const user of session.value.users.values()) targets.set(`@${userName(user.id)}`, `<@${user.id}>`);
  for (const channel of session.value.channels) {
    if (channel.name) targets.set(`#${channel.name}`, `<#${channel.id}|${channel.name}>`);
  }
  const names = [...targets.keys()].sort((a, b) => b.length - a.length).map((name) => escapeForRegExp(escape(name)));
  const anyName = new RegExp(`(?<![\\p{L}\\p{N}])(?:${names.join("|")})(?![\\p{L}\\p{N}])`, "gu");
  return escape(typed).replace(anyName, (name) => targets.get(unescape(name)) ?? name);
}

export function decodeStored(text) {
  return unescape(
    text
      .replace(/<@([UW][A-Z0-9]+)>/g, (whole, id) => (findUser(id) ? `@${userName(id)}` : whole))
      .replace(/<#[CG][A-Z0-9]+\|([^>]*)>/g, "#$1")
      .replace(/<((?:https?|mailto):[^|>]+)(?:\|[^>]*)?>/g, "$1"),
  );
}
