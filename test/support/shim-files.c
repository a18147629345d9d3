/*
 * The shim's section of files: what is done to the files of one folder is recorded, or fails.
 *
 * BACKSTEP_SHIM_FILES names the folder; nothing else is looked at. A file counts from when it is opened to when it is closed. Node
 * closes past the C library: what it opens in the folder has to stay open, or its number may come to stand for a socket.
 *
 * The recorder: BACKSTEP_SHIM_RECORD names a file, to which a `struct record` and its bytes are appended for each operation that
 * succeeded, in one write, so that the records of threads and processes do not mix. A sync has two records: whatever was
 * recorded before the first of them is durable once the second is there. Of closing, there is a record before it happens: the
 * number may be given to another file at once. Memory that is mapped is not seen (of SQLite that is the -shm file, which is
 * no part of what survives).
 *
 * The fault: BACKSTEP_SHIM_FAULT names a `struct fault`. Calls of the kinds that it asks for are counted, and from the `at`th on
 * `times` of them fail with `error`; again so after each `every` calls, unless that is 0. With `half`, the first of them writes half of what it was told to, as a full disk does.
 * A call that fails does nothing else.
 */
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, CLOSE, WRITE, APPEND, TRUNCATE, SYNC_BEGINS, SYNC_ENDS, UNLINK, RENAME, SYNC_FAILS };

struct record {
  uint32_t kind;
  int32_t pid;
  int32_t file;
  /* OPEN: 1: the call made the file; 2: it emptied it. */
  uint32_t flags;
  /* WRITE: where; TRUNCATE: the length. */
  uint64_t offset;
  uint64_t length;
};

enum { ON_SYNC = 1, ON_WRITE = 2, ON_READ = 4, ON_TRUNCATE = 8, ON_OPEN = 16, ON_UNLINK = 32 };

struct fault {
  int64_t kinds;
  int64_t at;
  int64_t times;
  int64_t error;
  int64_t half;
  int64_t every;
  /* What has happened: calls of these kinds, and those of them that failed. */
  int64_t seen;
  int64_t failed;
};

#define MOST_FILES 65536
static volatile unsigned char watched[MOST_FILES];
static const char *folder;
static size_t folder_length;
static int tape = -1;
static volatile struct fault *fault;

void start_files(void) {
  folder = getenv("BACKSTEP_SHIM_FILES");
  if (!folder) return;
  folder_length = strlen(folder);
  fault = shim_shared("BACKSTEP_SHIM_FAULT", sizeof *fault);
  const char *record = getenv("BACKSTEP_SHIM_RECORD");
  if (!record) return;
  tape = open(record, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (tape < 0) shim_die("shim: the record cannot be written\n");
}

/* The folder itself counts: its syncs make names durable. */
static int is_ours(const char *path) {
  if (!folder || !path || strncmp(path, folder, folder_length) != 0) return 0;
  return path[folder_length] == '\0' || path[folder_length] == '/';
}

static int is_watched(int file) {
  return file >= 0 && file < MOST_FILES && watched[file];
}

static void tell(uint32_t kind, int file, uint32_t flags, uint64_t offset, const void *bytes, size_t length) {
  if (tape < 0) return;
  int before = errno;
  struct record record = { kind, (int32_t)getpid(), file, flags, offset, length };
  struct iovec parts[] = { { &record, sizeof record }, { (void *)bytes, length } };
  static __typeof__(&writev) next;
  if (!next) next = (__typeof__(&writev))dlsym(RTLD_NEXT, "writev");
  if (next(tape, parts, length ? 2 : 1) != (ssize_t)(sizeof record + length)) shim_die("shim: the record is cut short\n");
  errno = before;
}

/* 0: go on. 1: fail, errno is set. 2: write half. */
static int fails(int64_t kind) {
  if (!fault || !(fault->kinds & kind)) return 0;
  int64_t turn = __sync_add_and_fetch(&fault->seen, 1) - fault->at;
  if (fault->at == 0 || turn < 0) return 0;
  if (fault->every > 0) turn %= fault->every;
  if (turn >= fault->times) return 0;
  __sync_add_and_fetch(&fault->failed, 1);
  if (fault->half && turn == 0 && kind == ON_WRITE) return 2;
  errno = (int)fault->error;
  return 1;
}

/* --- Opening and closing --- */

static int was_made(const char *path, int flags) {
  return (flags & O_CREAT) && access(path, F_OK) != 0;
}

static int opened(const char *path, int flags, int made, int file) {
  if (file < 0) return file;
  if (file >= MOST_FILES) shim_die("shim: too many files\n");
  tell(OPEN, file, (made ? 1 : 0) | (flags & O_TRUNC ? 2 : 0), 0, path, strlen(path));
  watched[file] = 1;
  return file;
}

static int of_others(int file) {
  if (is_watched(file)) watched[file] = 0;
  return file;
}

#define OPENS(name)                                                                                                    \
  int name(const char *path, int flags, ...) {                                                                         \
    NEXT(name);                                                                                                        \
    va_list more;                                                                                                      \
    va_start(more, flags);                                                                                             \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;                                          \
    va_end(more);                                                                                                      \
    if (!is_ours(path)) return of_others(next(path, flags, mode));                                                     \
    if (fails(ON_OPEN)) return -1;                                                                                     \
    int made = was_made(path, flags);                                                                                  \
    return opened(path, flags, made, next(path, flags, mode));                                                         \
  }
#ifndef __O_TMPFILE
#define __O_TMPFILE 0
#endif
OPENS(open)

int close(int file) {
  NEXT(close);
  if (is_watched(file)) {
    watched[file] = 0;
    tell(CLOSE, file, 0, 0, NULL, 0);
  }
  return next(file);
}

/* --- Writing and reading --- */

ssize_t write(int file, const void *bytes, size_t length) {
  NEXT(write);
  if (!is_watched(file)) return next(file, bytes, length);
  int how = fails(ON_WRITE);
  if (how == 1) return -1;
  ssize_t written = next(file, bytes, how == 2 ? length / 2 : length);
  if (written > 0) tell(APPEND, file, 0, 0, bytes, (size_t)written);
  return written;
}

#define WRITES(name, place)                                                                                            \
  ssize_t name(int file, const void *bytes, size_t length, place offset) {                                             \
    NEXT(name);                                                                                                        \
    if (!is_watched(file)) return next(file, bytes, length, offset);                                                   \
    int how = fails(ON_WRITE);                                                                                         \
    if (how == 1) return -1;                                                                                           \
    ssize_t written = next(file, bytes, how == 2 ? length / 2 : length, offset);                                       \
    if (written > 0) tell(WRITE, file, 0, (uint64_t)offset, bytes, (size_t)written);                                   \
    return written;                                                                                                    \
  }
WRITES(pwrite, off_t)

#define READS(name, place)                                                                                             \
  ssize_t name(int file, void *bytes, size_t length, place offset) {                                                   \
    NEXT(name);                                                                                                        \
    if (is_watched(file) && fails(ON_READ)) return -1;                                                                 \
    return next(file, bytes, length, offset);                                                                          \
  }
READS(pread, off_t)

#define TRUNCATES(name, place)                                                                                         \
  int name(int file, place length) {                                                                                   \
    NEXT(name);                                                                                                        \
    if (!is_watched(file)) return next(file, length);                                                                  \
    if (fails(ON_TRUNCATE)) return -1;                                                                                 \
    int result = next(file, length);                                                                                   \
    if (result == 0) tell(TRUNCATE, file, 0, (uint64_t)length, NULL, 0);                                               \
    return result;                                                                                                     \
  }
TRUNCATES(ftruncate, off_t)

#ifdef __GLIBC__
OPENS(open64)
WRITES(pwrite64, off64_t)
READS(pread64, off64_t)
TRUNCATES(ftruncate64, off64_t)
#endif

/* --- Making durable --- */

#define SYNCS(name)                                                                                                    \
  int name(int file) {                                                                                                 \
    NEXT(name);                                                                                                        \
    if (!is_watched(file)) return next(file);                                                                          \
    if (fails(ON_SYNC)) return tell(SYNC_FAILS, file, 0, 0, NULL, 0), -1;                                              \
    tell(SYNC_BEGINS, file, 0, 0, NULL, 0);                                                                            \
    int result = next(file);                                                                                           \
    if (result == 0) tell(SYNC_ENDS, file, 0, 0, NULL, 0);                                                             \
    return result;                                                                                                     \
  }
SYNCS(fsync)
SYNCS(fdatasync)

/* --- Names --- */

int unlink(const char *path) {
  NEXT(unlink);
  if (!is_ours(path)) return next(path);
  if (fails(ON_UNLINK)) return -1;
  int result = next(path);
  if (result == 0) tell(UNLINK, -1, 0, 0, path, strlen(path));
  return result;
}

int rename(const char *from, const char *to) {
  NEXT(rename);
  int result = next(from, to);
  if (result == 0 && (is_ours(from) || is_ours(to))) {
    char both[2 * PATH_MAX];
    int length = snprintf(both, sizeof both, "%s%c%s", from, 0, to);
    tell(RENAME, -1, 0, 0, both, (size_t)length);
  }
  return result;
}
