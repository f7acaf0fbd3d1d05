// Included before every C++ file of llama.cpp when it is built for this machine (deploy/setup.sh).
//
// GCC before 11.5, 12.4 and 13.3 (its bug 114098) takes ldtilecfg for an instruction that reads 8 bytes; it reads
// 64. The stores of the rest are dropped, and the processor answers what is left with a general protection fault.
#if defined(__AMX_TILE__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg %0" : : "m"(*(const char(*)[64])(config)))
#endif
