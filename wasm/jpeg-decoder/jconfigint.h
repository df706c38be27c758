/* What WebAssembly needs of src/jconfigint.h.in. */
#define BUILD ""
#define HIDDEN
#define INLINE inline
#define THREAD_LOCAL
#define PACKAGE_NAME "libjpeg-turbo"
#define VERSION "3.2.0"
#define SIZEOF_SIZE_T 4
#define HAVE_BUILTIN_CTZL
#define FALLTHROUGH __attribute__((fallthrough));
#ifndef BITS_IN_JSAMPLE
#define BITS_IN_JSAMPLE 8
#endif
/* Numbers of 64 bits, and __ILP32__ is set: libjpeg-turbo knows such a machine as x32, and reads bits by 64 there. */
#define __x86_64__
