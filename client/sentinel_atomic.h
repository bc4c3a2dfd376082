/* The few atomic operations, the pause and the tick counter that everything in this project uses.
 *
 * Compiler builtins rather than <stdatomic.h>, because shared records are plain integers in plain structs and
 * because this header is also included from C++. Each use names the edge it belongs to; docs/memory-model.md
 * lists the edges. SPDX-License-Identifier: Apache-2.0 */
#ifndef SENTINEL_ATOMIC_H
#define SENTINEL_ATOMIC_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Everything the storing thread wrote before its release store is visible after this load returns that value. */
static inline uint64_t snt_load_acquire(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void snt_store_release(uint64_t *p, uint64_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

/* For counters and flags that order nothing else. */
static inline uint64_t snt_load_relaxed(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline void snt_store_relaxed(uint64_t *p, uint64_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

/* Tells the processor that this is a spin loop; no ordering. */
static inline void snt_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

/* The machine's constant-rate counter: TSC on x86-64, CNTVCT on AArch64. Not serialising: a reading may move by a
 * few nanoseconds. The engine tells each session how many ticks make a second. */
static inline uint64_t snt_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t t;
	__asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(t));
	return t;
#else
#error "no tick counter is known for this processor"
#endif
}

#ifdef __cplusplus
}
#endif
#endif
