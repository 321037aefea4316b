// Starts emulate's Slack with a seed and one event subscription, and prints its address.
//
// It ends when its standard input does. emulate offers no way to subscribe from outside: the subscription is registered
// with the dispatcher that its Slack plugin is given (emulate 0.12.2, whose hash package-lock.json holds, names that file so).
//
//   node start_emulate.mjs FOLDER-OF-EMULATE < JSON-LINE
import { createInterface } from "node:readline";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const load = (file) => import(pathToFileURL(join(process.argv[2], "dist", file)));
const { createEmulator } = await load("api.js");
const { slackPlugin } = await load("dist-6ZQHD4DN.js");

const lines = createInterface({ input: process.stdin });
lines.once("line", async (line) => {
  const { seed, url, events } = JSON.parse(line);
  const register = slackPlugin.register;
  slackPlugin.register = (app, store, webhooks, ...rest) => {
    webhooks.register({ url, events, active: true, owner: "slack" });
    return register.call(slackPlugin, app, store, webhooks, ...rest);
  };
  const slack = await createEmulator({ service: "slack", port: 0, seed: { slack: seed } });
  console.log(slack.url);
});
lines.once("close", () => process.exit(0));
