#include "host.h"

#define PAGE_BYTES 65536
#define ALIGNMENT 16

extern unsigned char __heap_base;
static size_t taken;

/* Where what was taken ends: nothing above it was written. */
__attribute__((export_name("top"))) size_t top(void) { return (size_t)&__heap_base + taken; }

void *take(size_t size) {
  size_t start = ((size_t)&__heap_base + taken + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  size_t end = start + size;
  size_t pages = __builtin_wasm_memory_size(0);
  if (end < start) return NULL;
  if (end > pages * PAGE_BYTES) {
    size_t more = (end - pages * PAGE_BYTES + PAGE_BYTES - 1) / PAGE_BYTES;
    if (__builtin_wasm_memory_grow(0, more) == (size_t)-1) return NULL;
  }
  taken = end - (size_t)&__heap_base;
  return (void *)start;
}
