/*
 * plugin-name labels every request and refuses those that say a certain word.
 * It shows how a plugin is configured, and how it reads, changes and denies;
 * which commands may run is for policy to say, which sees the command as the
 * shell will. Its configuration is {"word": "...", "label": "..."}; without one
 * it lets everything pass as it is.
 */
#include "sidegate.h"

/* Both as JSON has them, with quotes and escapes. */
static char word[64], label[64];
static int32_t label_length; /* 0 without a configuration */
static char command[128 * 1024];

/* Reads a string of the configuration that is not empty. Returns its length, or
 * 0 if there is none. */
static int32_t configured(const char *path, char *dst, size_t cap) {
  int32_t n = sidegate_config(path, dst, cap);
  return n > 2 && (size_t)n <= cap && dst[0] == '"' ? n : 0;
}

SIDEGATE_INIT {
  char whole[4];
  if (sidegate_config("", whole, sizeof whole) == 4 && whole[0] == 'n') return SIDEGATE_CONTINUE;
  int32_t n = configured("/word", word, sizeof word);
  label_length = configured("/label", label, sizeof label);
  if (n == 0 || label_length == 0) return sidegate_deny(403, "want a word and a label of at most 62 bytes");
  word[n - 1] = 0; /* ends where its closing quote was */
  return SIDEGATE_CONTINUE;
}

SIDEGATE_ON_REQUEST {
  if (label_length == 0) return SIDEGATE_CONTINUE;
  int32_t n = sidegate_get("/command", command, sizeof command);
  if (n == 4 && sidegate_contains(command, 4, "null")) {
    n = sidegate_get("/argv", command, sizeof command);
  }
  if (n < 0) return sidegate_failure("the command cannot be read");
  if ((size_t)n > sizeof command) return sidegate_failure("the command is too long");
  if (sidegate_contains(command, (size_t)n, word + 1)) {
    return sidegate_deny(403, "it says a word that is not for the shell");
  }
  if (sidegate_field_set("/labels/seen-by", 15, label, (size_t)label_length) != SIDEGATE_OK) {
    return sidegate_failure("the label cannot be set");
  }
  return SIDEGATE_CONTINUE;
}
