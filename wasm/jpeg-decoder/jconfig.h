/* libjpeg-turbo without encoder, arithmetic coding and SIMD: what WebAssembly needs of src/jconfig.h.in. */
#define JPEG_LIB_VERSION 62
#define LIBJPEG_TURBO_VERSION 3.2.0
#define LIBJPEG_TURBO_VERSION_NUMBER 3002000
#ifndef BITS_IN_JSAMPLE
#define BITS_IN_JSAMPLE 8
#endif
