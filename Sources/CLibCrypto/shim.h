// OpenSSL 3 behind plain signatures: each function returns 1 when it did all that its name says, else 0.
// Buffers belong to the caller; empty input may be a null pointer of length 0.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

static const uint8_t smile_nothing[1] = {0};

static inline const uint8_t *smile_or_nothing(const uint8_t *bytes) { return bytes ? bytes : smile_nothing; }

static inline int smile_random(uint8_t *out, size_t length) {
  return RAND_bytes_ex(NULL, out, length, 256) == 1;
}

static inline int smile_equal(const uint8_t *left, const uint8_t *right, size_t length) {
  return length == 0 || CRYPTO_memcmp(left, right, length) == 0;
}

// Digests. An algorithm is fetched once and kept: an implicit fetch costs more than a short hash.

static inline EVP_MD *smile_fetch_digest(const char *name) { return EVP_MD_fetch(NULL, name, NULL); }

static inline int smile_digest(const EVP_MD *digest, const uint8_t *bytes, size_t length, uint8_t *out) {
  return EVP_Digest(smile_or_nothing(bytes), length, out, NULL, digest, NULL) == 1;
}

static inline EVP_MD_CTX *smile_digest_start(const EVP_MD *digest) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  if (context && EVP_DigestInit_ex2(context, digest, NULL) == 1) return context;
  EVP_MD_CTX_free(context);
  return NULL;
}

static inline int smile_digest_add(EVP_MD_CTX *context, const uint8_t *bytes, size_t length) {
  return length == 0 || EVP_DigestUpdate(context, bytes, length) == 1;
}

static inline int smile_digest_end(EVP_MD_CTX *context, uint8_t *out) {
  return EVP_DigestFinal_ex(context, out, NULL) == 1;
}

// HMAC. The keyed context is used again for each message.

static inline EVP_MAC_CTX *smile_hmac_new(const char *digest, const uint8_t *key, size_t length) {
  EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
  EVP_MAC_free(mac);
  const OSSL_PARAM parameters[] = {
    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)digest, 0), OSSL_PARAM_construct_end()};
  if (context && EVP_MAC_init(context, smile_or_nothing(key), length, parameters) == 1) return context;
  EVP_MAC_CTX_free(context);
  return NULL;
}

static inline int smile_hmac(EVP_MAC_CTX *context, const uint8_t *bytes, size_t length, uint8_t *out, size_t size) {
  size_t written = 0;
  return EVP_MAC_init(context, NULL, 0, NULL) == 1
    && (length == 0 || EVP_MAC_update(context, bytes, length) == 1)
    && EVP_MAC_final(context, out, &written, size) == 1 && written == size;
}

static inline int smile_hkdf_sha256(
  const uint8_t *key, size_t key_length, const uint8_t *salt, size_t salt_length,
  const uint8_t *info, size_t info_length, uint8_t *out, size_t size
) {
  EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
  EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
  EVP_KDF_free(kdf);
  if (!context) return 0;
  const OSSL_PARAM parameters[] = {
    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)smile_or_nothing(key), key_length),
    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)smile_or_nothing(salt), salt_length),
    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)smile_or_nothing(info), info_length),
    OSSL_PARAM_construct_end()};
  int done = EVP_KDF_derive(context, out, size, parameters) == 1;
  EVP_KDF_CTX_free(context);
  return done;
}

// AES-256-GCM with a 12-byte nonce and a 16-byte tag.

static inline int smile_aes256gcm_seal(
  const uint8_t *key, const uint8_t *nonce, const uint8_t *associated, int associated_length,
  const uint8_t *plain, int length, uint8_t *cipher, uint8_t *tag
) {
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  int written = 0;
  int done = context
    && EVP_EncryptInit_ex2(context, EVP_aes_256_gcm(), key, nonce, NULL) == 1
    && (associated_length == 0
      || EVP_EncryptUpdate(context, NULL, &written, associated, associated_length) == 1)
    && (length == 0 || (EVP_EncryptUpdate(context, cipher, &written, plain, length) == 1 && written == length))
    && EVP_EncryptFinal_ex(context, tag, &written) == 1
    && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1;
  EVP_CIPHER_CTX_free(context);
  return done;
}

// `plain` is wiped when the tag doesn't fit.
static inline int smile_aes256gcm_open(
  const uint8_t *key, const uint8_t *nonce, const uint8_t *associated, int associated_length,
  const uint8_t *cipher, int length, const uint8_t *tag, uint8_t *plain
) {
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  uint8_t rest[16];
  int written = 0;
  int done = context
    && EVP_DecryptInit_ex2(context, EVP_aes_256_gcm(), key, nonce, NULL) == 1
    && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, (void *)tag) == 1
    && (associated_length == 0
      || EVP_DecryptUpdate(context, NULL, &written, associated, associated_length) == 1)
    && (length == 0 || (EVP_DecryptUpdate(context, plain, &written, cipher, length) == 1 && written == length))
    && EVP_DecryptFinal_ex(context, rest, &written) == 1;
  EVP_CIPHER_CTX_free(context);
  if (!done && length > 0) OPENSSL_cleanse(plain, (size_t)length);
  if (!done) ERR_clear_error();
  return done;
}

// Ed25519 (RFC 8032): 32-byte seed, 32-byte public key, 64-byte signature.

static inline int smile_ed25519_public(const uint8_t *seed, uint8_t *out) {
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
  size_t length = 32;
  int done = key && EVP_PKEY_get_raw_public_key(key, out, &length) == 1 && length == 32;
  EVP_PKEY_free(key);
  return done;
}

static inline int smile_ed25519_sign(const uint8_t *seed, const uint8_t *bytes, size_t length, uint8_t *out) {
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  size_t written = 64;
  int done = key && context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1
    && EVP_DigestSign(context, out, &written, smile_or_nothing(bytes), length) == 1 && written == 64;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return done;
}

static inline int smile_ed25519_verify(
  const uint8_t *public_key, const uint8_t *signature, const uint8_t *bytes, size_t length
) {
  EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, 32);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  int valid = key && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1
    && EVP_DigestVerify(context, signature, 64, smile_or_nothing(bytes), length) == 1;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  if (!valid) ERR_clear_error();
  return valid;
}
