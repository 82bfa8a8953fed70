/*
 * What happens to a Redis beside its back, by LD_PRELOAD: a disk that is full, a clock that is wrong, and the knowledge
 * of what a power loss would leave.
 *
 * The file CHAOS_SHIM is shared with the harness, which writes the first two fields: microseconds by which the wall clock
 * is wrong, and whether the disk is full. The others are ours: for each file that was synced, its inode and the size that
 * is safe. The monotonic clock stays right.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define FILES 64

struct state {
  volatile int64_t skew;
  volatile int64_t full;
  volatile int64_t safe[FILES][2];
};

static struct state *state;

static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static int (*real_gettimeofday)(struct timeval *, void *);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  real_write = dlsym(RTLD_NEXT, "write");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_gettimeofday = dlsym(RTLD_NEXT, "gettimeofday");
  real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  const char *path = getenv("CHAOS_SHIM");
  int file = path ? open(path, O_RDWR) : -1;
  if (file < 0) return;
  void *map = mmap(0, sizeof(struct state), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (map != MAP_FAILED) state = map;
  close(file);
}

static int is_file(int fd, struct stat *about) { return fstat(fd, about) == 0 && S_ISREG(about->st_mode); }

/* What was written before a sync began is safe once it has ended; what is written meanwhile may not be. */
static int sync_with(int (*sync)(int), int fd) {
  struct stat about;
  int counts = state && is_file(fd, &about);
  int result = sync(fd);
  if (result == 0 && counts) {
    for (int at = 0; at < FILES; at++) {
      if (state->safe[at][0] != 0 && state->safe[at][0] != (int64_t)about.st_ino) continue;
      state->safe[at][0] = about.st_ino;
      state->safe[at][1] = about.st_size;
      break;
    }
  }
  return result;
}

int fdatasync(int fd) { return sync_with(real_fdatasync, fd); }
int fsync(int fd) { return sync_with(real_fsync, fd); }

/* On a full disk half of what was to be written still fits, as it may. */
ssize_t write(int fd, const void *data, size_t count) {
  struct stat about;
  if (state && state->full && is_file(fd, &about)) {
    if (state->full == 1 && count > 1) {
      state->full = 2;
      return real_write(fd, data, count / 2);
    }
    errno = ENOSPC;
    return -1;
  }
  return real_write ? real_write(fd, data, count) : syscall(SYS_write, fd, data, count);
}

/* Others ask for the time before we have begun. */
int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  int result = real_gettimeofday ? real_gettimeofday(at, zone) : (int)syscall(SYS_gettimeofday, at, zone);
  if (state && result == 0) {
    int64_t us = (int64_t)at->tv_sec * 1000000 + at->tv_usec + state->skew;
    at->tv_sec = us / 1000000;
    at->tv_usec = us % 1000000;
  }
  return result;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  int result = real_clock_gettime ? real_clock_gettime(clock, at) : (int)syscall(SYS_clock_gettime, clock, at);
  if (state && result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    int64_t us = (int64_t)at->tv_sec * 1000000 + at->tv_nsec / 1000 + state->skew;
    at->tv_nsec = (us % 1000000) * 1000 + at->tv_nsec % 1000;
    at->tv_sec = us / 1000000;
  }
  return result;
}

time_t time(time_t *out) {
  struct timespec at;
  clock_gettime(CLOCK_REALTIME, &at);
  if (out) *out = at.tv_sec;
  return at.tv_sec;
}
