/*
 * plugin-name labels every request and refuses those that say a certain word.
 * It shows how a plugin reads, changes and denies; which commands may run is for
 * policy to say, which sees the command as the shell will.
 */
#include "sidegate.h"

static const char word[] = "forbidden";
static char command[128 * 1024];

SIDEGATE_ON_REQUEST {
  int32_t n = sidegate_get("/command", command, sizeof command);
  if (n == 4 && sidegate_contains(command, 4, "null")) {
    n = sidegate_get("/argv", command, sizeof command);
  }
  if (n < 0) return sidegate_failure("the command cannot be read");
  if ((size_t)n > sizeof command) return sidegate_failure("the command is too long");
  if (sidegate_contains(command, (size_t)n, word)) {
    return sidegate_deny(403, "the word forbidden is not for the shell");
  }
  if (sidegate_set("/labels/seen-by", "\"plugin-name\"") != SIDEGATE_OK) {
    return sidegate_failure("the label cannot be set");
  }
  return SIDEGATE_CONTINUE;
}
