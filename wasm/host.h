/* What the decoders of this folder have from their host, src/core/image/row-codec.ts. */
#include <stddef.h>

#define HOST(name) __attribute__((import_module("env"), import_name(name)))

/* Copies the next bytes of the file, `size` at most, and returns how many; 0 at its end. */
HOST("pull") size_t pull(unsigned char *to, size_t size);
/* Takes the next rows of the picture, which are the host's until it returns. */
HOST("give") void give(const unsigned char *rows, int count);
/* Throws in JavaScript and never returns: the instance is thrown away with whatever state it was in. */
HOST("fail") __attribute__((noreturn)) void fail(int code);

/*
 * Memory for one picture, taken from the heap's start upwards and never given back (heap.c). The host hands in a memory of
 * zeros, and may hand in the same again: it grows only to what the largest picture so far has taken. NULL past its maximum.
 */
void *take(size_t size);
