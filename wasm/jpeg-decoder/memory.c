/* libjpeg's memory (jmemsys.h) for one picture: never given back. */
#include "jinclude.h"
#include "jpeglib.h"
#include "jmemsys.h"
#include "jerror.h"
#include "host.h"

void *jpeg_get_small(j_common_ptr info, size_t size) { (void)info; return take(size); }
void *jpeg_get_large(j_common_ptr info, size_t size) { (void)info; return take(size); }
void jpeg_free_small(j_common_ptr info, void *object, size_t size) { (void)info; (void)object; (void)size; }
void jpeg_free_large(j_common_ptr info, void *object, size_t size) { (void)info; (void)object; (void)size; }

size_t jpeg_mem_available(j_common_ptr info, size_t least, size_t most, size_t already) {
  (void)least;
  if (info->mem->max_memory_to_use == 0) return most;
  size_t limit = (size_t)info->mem->max_memory_to_use;
  return limit > already ? limit - already : 0;
}

/* There are no files to put pictures aside. */
void jpeg_open_backing_store(j_common_ptr common, backing_store_ptr store, long size) {
  (void)store;
  (void)size;
  ERREXIT(common, JERR_NO_BACKING_STORE);
}

long jpeg_mem_init(j_common_ptr info) { (void)info; return 0; }
void jpeg_mem_term(j_common_ptr info) { (void)info; }
