// plugin-name labels every request and refuses those that say a certain word.
// It shows how a plugin reads, changes and denies; which commands may run is for
// policy to say, which sees the command as the shell will.
import { Verdict, deny, failure, get, setString } from "./sidegate";
export { sidegate_abi_v1 } from "./sidegate";

const word = "forbidden";

export function on_request(): Verdict {
  let command = get("/command");
  if (command == "null") command = get("/argv");
  if (command == null) return failure("the command cannot be read");
  if (command.includes(word)) return deny(403, "the word forbidden is not for the shell");
  if (setString("/labels/seen-by", "plugin-name") != 0) return failure("the label cannot be set");
  return Verdict.Continue;
}
