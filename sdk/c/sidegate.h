/*
 * What a Sidegate plugin in C needs: this file, clang and lld. Build a plugin
 * with
 *
 *   clang --target=wasm32 -O2 -mbulk-memory -ffreestanding -nostdlib \
 *     -Wl,--no-entry -Wl,-z,stack-size=16384 -o plugin.wasm plugin.c
 *
 * A plugin defines a function for each phase that it takes part in, and one for
 * its configuration if it has any:
 *
 *   SIDEGATE_INIT        { ... return SIDEGATE_CONTINUE; }
 *   SIDEGATE_ON_REQUEST  { ... return SIDEGATE_CONTINUE; }
 *
 * The others are SIDEGATE_ON_RESPONSE and SIDEGATE_ON_CALLBACK. What the
 * functions here do is described in the guest contract, sidegate_v1. There is no
 * C library: a plugin brings its own buffers. Include this file in one source
 * file only.
 */
#ifndef SIDEGATE_H
#define SIDEGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a function returns; see also sidegate_deny and sidegate_failure. */
enum { SIDEGATE_CONTINUE = 0, SIDEGATE_DENY = 1, SIDEGATE_ANSWER = 2, SIDEGATE_FAILURE = -1 };

/* The inputs and outputs of a call. The first three are JSON, the others bytes. */
enum { SIDEGATE_MESSAGE, SIDEGATE_CONFIG, SIDEGATE_METADATA, SIDEGATE_STDOUT, SIDEGATE_STDERR };

/* Why the host did not do what it was asked: negative where a length is
 * returned, positive where nothing else is. */
enum {
  SIDEGATE_OK,
  SIDEGATE_KIND,     /* there is no such kind here, or it cannot be written */
  SIDEGATE_PATH,     /* the path is not a JSON pointer */
  SIDEGATE_NOTFOUND, /* there is no such field */
  SIDEGATE_JSON,     /* the text is not one JSON value */
  SIDEGATE_BUSY,     /* the message is being written with output_write */
  SIDEGATE_SPACE,    /* what would be returned does not fit */
  SIDEGATE_REFUSED,  /* the destination is not listed */
  SIDEGATE_NETWORK,  /* no answer could be had */
  SIDEGATE_DISABLED  /* nothing is fetched during a dry run */
};

enum { SIDEGATE_DEBUG, SIDEGATE_INFO, SIDEGATE_WARN, SIDEGATE_ERROR };

#define SIDEGATE_IMPORT(name) __attribute__((import_module("sidegate"), import_name(#name)))
#define SIDEGATE_EXPORT(name) __attribute__((export_name(#name))) int32_t name(void)

#define SIDEGATE_INIT SIDEGATE_EXPORT(sidegate_init)
#define SIDEGATE_ON_REQUEST SIDEGATE_EXPORT(on_request)
#define SIDEGATE_ON_RESPONSE SIDEGATE_EXPORT(on_response)
#define SIDEGATE_ON_CALLBACK SIDEGATE_EXPORT(on_callback)

/* The host's functions, as the contract has them. */
SIDEGATE_IMPORT(input_len) int32_t sidegate_input_len(int32_t kind);
SIDEGATE_IMPORT(input_read) int32_t sidegate_input_read(int32_t kind, void *dst, size_t off, size_t n);
SIDEGATE_IMPORT(output_write) int32_t sidegate_output_write(int32_t kind, const void *src, size_t n);
SIDEGATE_IMPORT(field_get) int32_t sidegate_field_get(const char *path, size_t plen, char *dst, size_t cap);
SIDEGATE_IMPORT(field_set) int32_t sidegate_field_set(const char *path, size_t plen, const char *src, size_t n);
SIDEGATE_IMPORT(config_get) int32_t sidegate_config_get(const char *path, size_t plen, char *dst, size_t cap);
SIDEGATE_IMPORT(log) void sidegate_log_n(int32_t level, const char *text, size_t n);
SIDEGATE_IMPORT(fail) void sidegate_fail(int32_t code, const char *reason, size_t n);
/* Needs the capability, which only a plugin that calls it has to be given. */
SIDEGATE_IMPORT(http_fetch) int32_t sidegate_http_fetch(const char *req, size_t rlen, char *dst, size_t cap);

__attribute__((export_name("sidegate_abi_v1"))) void sidegate_abi_v1(void) {}

/* The same for texts that end in a zero byte. */
static inline size_t sidegate_strlen(const char *s) {
  size_t n = 0;
  while (s[n] != 0) n++;
  return n;
}

/* Copies the JSON text of a field of the message, exactly as it stands there, to
 * dst if it fits in cap bytes. Returns its length either way, or a negative
 * error. There is no zero byte at its end. */
static inline int32_t sidegate_get(const char *path, char *dst, size_t cap) {
  return sidegate_field_get(path, sidegate_strlen(path), dst, cap);
}

/* The same for a field of the configuration. Without a configuration the path ""
 * names null, and nothing else is found. */
static inline int32_t sidegate_config(const char *path, char *dst, size_t cap) {
  return sidegate_config_get(path, sidegate_strlen(path), dst, cap);
}

/* Replaces a field of the message by a JSON text such as "\"text\"", or adds it
 * to an object that exists. Returns 0 or an error. */
static inline int32_t sidegate_set(const char *path, const char *json) {
  return sidegate_field_set(path, sidegate_strlen(path), json, sidegate_strlen(json));
}

/* Removes a field of the message. Returns 0 or an error. */
static inline int32_t sidegate_remove(const char *path) {
  return sidegate_field_set(path, sidegate_strlen(path), NULL, 0);
}

/* Writes a line to the gateway's log. */
static inline void sidegate_log(int32_t level, const char *text) {
  sidegate_log_n(level, text, sidegate_strlen(text));
}

/* Refuses a request; code is 401, 403, 429 or 503. In SIDEGATE_INIT it refuses
 * the configuration. Use it as: return sidegate_deny(403, "..."); */
static inline int32_t sidegate_deny(int32_t code, const char *reason) {
  sidegate_fail(code, reason, sidegate_strlen(reason));
  return SIDEGATE_DENY;
}

/* Says that the plugin could not do its work, in any phase. */
static inline int32_t sidegate_failure(const char *reason) {
  sidegate_fail(503, reason, sidegate_strlen(reason));
  return SIDEGATE_FAILURE;
}

/* Reports whether the n bytes at text contain word. */
static inline bool sidegate_contains(const char *text, size_t n, const char *word) {
  size_t m = sidegate_strlen(word);
  for (size_t i = 0; i + m <= n; i++) {
    size_t j = 0;
    while (j < m && text[i + j] == word[j]) j++;
    if (j == m) return true;
  }
  return false;
}

#endif
