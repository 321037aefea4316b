// Emoji by Slack's names. Knows the table and nothing of drawing.
import { EMOJI_GROUPS } from "../../emoji/table.js";

const byName = new Map();
const byCharacter = new Map();

export const emojiGroups = Object.entries(EMOJI_GROUPS).map(([label, rows]) => ({
  label,
  entries: rows.split(",").map((row) => {
    const [character, ...names] = row.trim().split(/\s+/);
    for (const name of names) byName.set(name, character);
    byCharacter.set(character, names[0]);
    return { character, name: names[0], names };
  }),
}));

const SKIN_TONE = /::skin-tone-[2-6]$/;

export const findEmoji = (name) => byName.get(name.replace(SKIN_TONE, ""));
export const nameOfEmoji = (character) => byCharacter.get(character);
export const readableName = (name) => name.replace(SKIN_TONE, "").replace(/[_-]/g, " ").trim() || name;

export function searchEmoji(words, limit) {
  const wanted = words.toLowerCase().replace(/^:|:$/g, "");
  const all = emojiGroups.flatMap((group) => group.entries);
  const starts = all.filter((entry) => entry.names.some((name) => name.startsWith(wanted)));
  const holds = all.filter((entry) => !starts.includes(entry) && entry.names.some((name) => name.includes(wanted)));
  return [...starts, ...holds].slice(0, limit);
}
