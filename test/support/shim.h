/*
 * What the sections of the shim share (see shim.c).
 */
#ifndef BACKSTEP_SHIM_H
#define BACKSTEP_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <stddef.h>

/* The function that we stand in front of. Looked up at each first call: we may be called before `start`. */
#define NEXT(name)                                                                                                     \
  static __typeof__(&name) next;                                                                                       \
  if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* Nothing but the calls that we stand in front of may be found by others. */
#define OURS __attribute__((visibility("hidden")))

/* Ends the process with a message: a fault that does not happen would pass for a proof. */
OURS void shim_die(const char *message);

/* The file that `variable` names, mapped; NULL without one. */
OURS volatile void *shim_shared(const char *variable, size_t size);

/* Each section's own start. */
OURS void start_clock(void);
OURS void start_files(void);

#endif
