// plugin-name labels every request and refuses those that say a certain word.
// It shows how a plugin is configured, and how it reads, changes and denies;
// which commands may run is for policy to say, which sees the command as the
// shell will. Its configuration is {"word": "…", "label": "…"}; without one it
// lets everything pass as it is.
import { Verdict, deny, failure, get, getConfig, set } from "./sidegate";
export { sidegate_abi_v1 } from "./sidegate";

// Both as JSON has them, with escapes; the word without its quotes.
let word = "";
let label = "";

/** Returns a string of the configuration that is not empty, or "". */
function configured(path: string): string {
  const text = getConfig(path);
  return text !== null && text.length > 2 && text.startsWith('"') ? text : "";
}

export function sidegate_init(): Verdict {
  if (getConfig("") == "null") return Verdict.Continue;
  word = configured("/word").slice(1, -1);
  label = configured("/label");
  if (word == "" || label == "") return deny(403, "want a word and a label");
  return Verdict.Continue;
}

export function on_request(): Verdict {
  if (label == "") return Verdict.Continue;
  let command = get("/command");
  if (command == "null") command = get("/argv");
  if (command == null) return failure("the command cannot be read");
  if (command.includes(word)) return deny(403, "it says a word that is not for the shell");
  if (set("/labels/seen-by", label) != 0) return failure("the label cannot be set");
  return Verdict.Continue;
}
