/*
 * Faults that need the C library: loaded into a process by LD_PRELOAD, before it.
 *
 * Rules
 * - Each kind of fault is a section of its own, switched on by an environment variable of its own. Without one, calls go
 *   through unchanged.
 * - What is to happen is read from memory that is shared with the test (a mapped file), so that it can change at run time.
 * - Nothing here allocates or locks: these functions are called from signal handlers, and while libraries are loaded.
 *
 * Sections: the clock, below; files that are recorded, or fail (shim-files.c). A new one begins with its variable in a
 * start of its own, and uses NEXT.
 */
#include "shim.h"
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

void shim_die(const char *message) {
  if (write(2, message, strlen(message))) {}
  _exit(126);
}

volatile void *shim_shared(const char *variable, size_t size) {
  const char *path = getenv(variable);
  if (!path) return NULL;
  int file = open(path, O_RDWR | O_CLOEXEC);
  void *memory = file < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) shim_die("shim: a file that the environment names cannot be mapped\n");
  close(file);
  return memory;
}

/* --- The clock: BACKSTEP_SHIM_CLOCK names 8 bytes, the nanoseconds that this process is ahead. Monotonic clocks, and what waits
   by them, are untouched, as when somebody sets a machine's time. --- */

static const volatile int64_t *clock_shift;

#define SECOND INT64_C(1000000000)

static void shift(time_t *seconds, int64_t *nanoseconds) {
  if (!clock_shift) return;
  int64_t moved = *nanoseconds + *clock_shift;
  int64_t carry = moved / SECOND - (moved % SECOND < 0);
  *seconds += carry;
  *nanoseconds = moved - carry * SECOND;
}

static void shift_timespec(struct timespec *at) {
  int64_t nanoseconds = at->tv_nsec;
  shift(&at->tv_sec, &nanoseconds);
  at->tv_nsec = nanoseconds;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  NEXT(clock_gettime);
  int result = next(clock, at);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift_timespec(at);
  return result;
}

int timespec_get(struct timespec *at, int base) {
  NEXT(timespec_get);
  int result = next(at, base);
  if (result == TIME_UTC) shift_timespec(at);
  return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  NEXT(gettimeofday);
  int result = next(at, zone);
  if (result == 0) {
    int64_t nanoseconds = (int64_t)at->tv_usec * 1000;
    shift(&at->tv_sec, &nanoseconds);
    at->tv_usec = nanoseconds / 1000;
  }
  return result;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

void start_clock(void) {
  clock_shift = shim_shared("BACKSTEP_SHIM_CLOCK", sizeof *clock_shift);
}

__attribute__((constructor)) static void start(void) {
  start_files();
  start_clock();
}
