// What a Sidegate plugin in AssemblyScript needs: this file and the compiler,
// with `--runtime incremental --use abort=assembly/sidegate/abort`.
//
// A plugin exports a function for each phase that it takes part in, one for its
// configuration if it has any, and the name of the contract:
//
//   export { sidegate_abi_v1 } from "./sidegate";
//   export function sidegate_init(): Verdict { … return Verdict.Continue; }
//   export function on_request(): Verdict { … return Verdict.Continue; }
//
// The others are on_response and on_callback. What the functions here do is
// described in the guest contract, sidegate_v1.

/** What an exported function returns; see also deny and failure. */
export const enum Verdict {
  /** Takes what was written, or the message as it was if nothing was. */
  Continue = 0,
  Deny = 1,
  /** Replies with what was written to Stdout and Stderr, and nothing runs. */
  Answer = 2,
  Failure = -1,
}

/** The inputs and outputs of a call. The first three are JSON, the others bytes. */
export const enum Kind {
  Message,
  Config,
  Metadata,
  Stdout,
  Stderr,
}

/** Why the host did not do what it was asked. */
export const enum Errno {
  OK,
  /** There is no such kind here, or it cannot be written. */
  KIND,
  /** The path is not a JSON pointer. */
  PATH,
  /** There is no such field. */
  NOTFOUND,
  /** The text is not one JSON value. */
  JSON,
  /** The message is being written with output. */
  BUSY,
  /** What would be returned does not fit. */
  SPACE,
  /** The destination is not listed. */
  REFUSED,
  /** No answer could be had. */
  NETWORK,
  /** Nothing is fetched during a dry run. */
  DISABLED,
}

export const enum Level {
  Debug,
  Info,
  Warn,
  Error,
}

@external("sidegate", "input_len")
declare function host_input_len(kind: i32): i32;
@external("sidegate", "input_read")
declare function host_input_read(kind: i32, dst: usize, off: i32, n: i32): i32;
@external("sidegate", "output_write")
declare function host_output_write(kind: i32, src: usize, n: i32): i32;
@external("sidegate", "field_get")
declare function host_field_get(path: usize, plen: i32, dst: usize, cap: i32): i32;
@external("sidegate", "field_set")
declare function host_field_set(path: usize, plen: i32, src: usize, n: i32): i32;
@external("sidegate", "config_get")
declare function host_config_get(path: usize, plen: i32, dst: usize, cap: i32): i32;
@external("sidegate", "log")
declare function host_log(level: i32, ptr: usize, n: i32): void;
@external("sidegate", "fail")
declare function host_fail(code: i32, ptr: usize, n: i32): void;
@external("sidegate", "http_fetch")
declare function host_http_fetch(req: usize, rlen: i32, dst: usize, cap: i32): i32;

/** Says which contract the module keeps. Every plugin exports it. */
export function sidegate_abi_v1(): void {}

/** Refuses a request; code is 401, 403, 429 or 503. In sidegate_init it refuses the configuration. */
export function deny(code: i32, reason: string): Verdict {
  const text = String.UTF8.encode(reason);
  host_fail(code, changetype<usize>(text), text.byteLength);
  return Verdict.Deny;
}

/** Says that the plugin could not do its work, in any phase. */
export function failure(reason: string): Verdict {
  deny(503, reason);
  return Verdict.Failure;
}

/** Returns a whole input as bytes, or null if there is no such input. */
export function input(kind: Kind): ArrayBuffer | null {
  const n = host_input_len(kind);
  if (n < 0) return null;
  const bytes = new ArrayBuffer(n);
  for (let off = 0; off < n; ) {
    const got = host_input_read(kind, changetype<usize>(bytes) + off, off, n - off);
    if (got <= 0) return null;
    off += got;
  }
  return bytes;
}

/** Returns a whole input as text, or null if there is no such input. */
export function inputText(kind: Kind): string | null {
  const bytes = input(kind);
  return bytes === null ? null : String.UTF8.decode(bytes);
}

/** Reads up to into.length bytes of an input from off; 0 at its end, or a negative Errno. */
export function read(kind: Kind, into: Uint8Array, off: i32): i32 {
  return host_input_read(kind, into.dataStart, off, into.length);
}

/** Appends bytes to an output; the first call begins it empty. Returns 0 or an Errno. */
export function output(kind: Kind, bytes: Uint8Array): i32 {
  return host_output_write(kind, bytes.dataStart, bytes.length);
}

/** Appends text to an output; the first call begins it empty. Returns 0 or an Errno. */
export function outputText(kind: Kind, text: string): i32 {
  const bytes = String.UTF8.encode(text);
  return host_output_write(kind, changetype<usize>(bytes), bytes.byteLength);
}

/** Returns the JSON text of a field of the message, exactly as it stands there, or null if there is none. */
export function get(path: string): string | null {
  return field(false, path);
}

/** Returns a field of the message that is a string, or null if it is not. */
export function getString(path: string): string | null {
  const text = get(path);
  return text === null ? null : unquote(text);
}

/** The same as get for a field of the configuration. Without one, "" names null, and nothing else is found. */
export function getConfig(path: string): string | null {
  return field(true, path);
}

/** Returns a field of the configuration that is a string, or null if it is not. */
export function getConfigString(path: string): string | null {
  const text = getConfig(path);
  return text === null ? null : unquote(text);
}

function field(config: bool, path: string): string | null {
  const name = String.UTF8.encode(path);
  let bytes = new ArrayBuffer(256);
  let n = ask(config, name, bytes);
  if (n > bytes.byteLength) {
    bytes = new ArrayBuffer(n);
    n = ask(config, name, bytes);
  }
  return n < 0 ? null : String.UTF8.decodeUnsafe(changetype<usize>(bytes), n);
}

function ask(config: bool, name: ArrayBuffer, into: ArrayBuffer): i32 {
  const path = changetype<usize>(name);
  const to = changetype<usize>(into);
  return config
    ? host_config_get(path, name.byteLength, to, into.byteLength)
    : host_field_get(path, name.byteLength, to, into.byteLength);
}

/** Replaces a field of the message by a JSON text, or adds it to an object that exists. Returns 0 or an Errno. */
export function set(path: string, json: string): i32 {
  if (json.length == 0) return Errno.JSON;
  const name = String.UTF8.encode(path);
  const value = String.UTF8.encode(json);
  return host_field_set(changetype<usize>(name), name.byteLength, changetype<usize>(value), value.byteLength);
}

/** Replaces a field of the message by a string. Returns 0 or an Errno. */
export function setString(path: string, value: string): i32 {
  return set(path, quote(value));
}

/** Removes a field of the message. Returns 0 or an Errno. */
export function remove(path: string): i32 {
  const name = String.UTF8.encode(path);
  return host_field_set(changetype<usize>(name), name.byteLength, 0, 0);
}

/** Writes a line to the gateway's log. */
export function log(level: Level, text: string): void {
  const bytes = String.UTF8.encode(text);
  host_log(level, changetype<usize>(bytes), bytes.byteLength);
}

/** The Errno of the last fetch that returned null. */
export let fetchError: i32 = Errno.OK;

/**
 * Makes one HTTP exchange. The request and the answer, of at most max bytes, are
 * JSON as the contract has them. Returns null if there is no answer, and
 * fetchError says why. Only a plugin that uses it needs the capability.
 */
export function fetch(request: string, max: i32): string | null {
  const text = String.UTF8.encode(request);
  const bytes = new ArrayBuffer(max);
  const n = host_http_fetch(changetype<usize>(text), text.byteLength, changetype<usize>(bytes), max);
  fetchError = n < 0 ? -n : Errno.OK;
  return n < 0 ? null : String.UTF8.decodeUnsafe(changetype<usize>(bytes), n);
}

/** Returns a text as a JSON string. */
export function quote(text: string): string {
  let out = '"';
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    out += text.substring(start, i) + "\\u00" + (c < 16 ? "0" : "") + c.toString(16);
    start = i + 1;
  }
  return out + text.substring(start) + '"';
}

/** Returns what a JSON string says, or null if it is not one. */
export function unquote(json: string): string | null {
  const end = json.length - 1;
  if (end < 1 || json.charCodeAt(0) != 0x22 || json.charCodeAt(end) != 0x22) return null;
  let out = "";
  let start = 1;
  for (let i = 1; i < end; i++) {
    if (json.charCodeAt(i) != 0x5c) continue;
    if (i + 1 >= end) return null;
    out += json.substring(start, i);
    const c = json.charAt(++i);
    if (c == "b") out += "\b";
    else if (c == "f") out += "\f";
    else if (c == "n") out += "\n";
    else if (c == "r") out += "\r";
    else if (c == "t") out += "\t";
    else if (c == "u") {
      if (i + 4 >= end) return null;
      out += String.fromCharCode(<i32>parseInt(json.substring(i + 1, i + 5), 16));
      i += 4;
    } else out += c;
    start = i + 1;
  }
  return out + json.substring(start, end);
}

/** Ends a call that went wrong, with the place. The compiler calls it. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  log(
    Level.Error,
    (message === null ? "abort" : message) + " at " + (file === null ? "?" : file) + ":" + line.toString() + ":" + column.toString(),
  );
  unreachable();
}
