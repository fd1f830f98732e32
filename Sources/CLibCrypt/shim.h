// libxcrypt behind plain signatures.
#pragma once
#include <crypt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Writes a fresh yescrypt setting of that cost and returns 1, else 0. `salt` is 16 random bytes.
static inline int smile_yescrypt_setting(unsigned long cost, const uint8_t *salt, char *out, size_t size) {
  return crypt_gensalt_rn("$y$", cost, (const char *)salt, 16, out, (int)size) != NULL;
}

// Hashes a C string under a setting (or under a whole earlier hash, whose setting is its beginning) and returns 1.
// Returns 0 for crypt's failure tokens, which start with '*'.
static inline int smile_crypt(const char *phrase, const char *setting, char *out, size_t size) {
  struct crypt_data *data = (struct crypt_data *)calloc(1, sizeof *data);
  if (!data) return 0;
  const char *hash = crypt_r(phrase, setting, data);
  int done = hash && hash[0] != '*' && strlen(hash) < size;
  if (done) strcpy(out, hash);
  explicit_bzero(data, sizeof *data);
  free(data);
  return done;
}
