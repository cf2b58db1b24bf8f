// Makes the file calls of a process fail, for files below a directory and while files
// of certain names exist; see package diskfault. It is preloaded before libc.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

// on tells whether a fault is switched on.
static int on(const char *fault) {
  const char *dir = getenv("DISKFAULT_SWITCHES");
  char path[PATH_MAX];
  if (!dir) return 0;
  snprintf(path, sizeof path, "%s/%s", dir, fault);
  return access(path, F_OK) == 0;
}

// ours tells whether a descriptor is of a file below the directory.
static int ours(int fd) {
  const char *below = getenv("DISKFAULT_BELOW");
  char link[64], path[PATH_MAX];
  if (!below) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return strncmp(path, below, strlen(below)) == 0;
}

// refuse says with which error a write or a sync fails now; 0 if it does not.
static int refuse(int fd, int sync) {
  int kept = errno, error = 0;
  if (ours(fd)) {
    if (sync && on("sync")) error = EIO;
    if (!sync && on("write")) error = EIO;
    if (!sync && on("full")) error = ENOSPC;
  }
  errno = kept;
  return error;
}

static int halved(int fd) {
  int kept = errno, yes = ours(fd) && on("short");
  errno = kept;
  return yes;
}

#define FAIL(fd, sync) do { int e = refuse(fd, sync); if (e) { errno = e; return -1; } } while (0)
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *p, size_t n) {
  FAIL(fd, 0);
  if (n > 1 && halved(fd)) { NEXT(write)(fd, p, n / 2); errno = EIO; return -1; }
  return NEXT(write)(fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
  FAIL(fd, 0);
  if (n > 1 && halved(fd)) { NEXT(pwrite)(fd, p, n / 2, at); errno = EIO; return -1; }
  return NEXT(pwrite)(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) {
  FAIL(fd, 0);
  if (n > 1 && halved(fd)) { NEXT(pwrite64)(fd, p, n / 2, at); errno = EIO; return -1; }
  return NEXT(pwrite64)(fd, p, n, at);
}

int ftruncate(int fd, off_t n) { FAIL(fd, 0); return NEXT(ftruncate)(fd, n); }
int ftruncate64(int fd, off64_t n) { FAIL(fd, 0); return NEXT(ftruncate64)(fd, n); }
int fsync(int fd) { FAIL(fd, 1); return NEXT(fsync)(fd); }
int fdatasync(int fd) { FAIL(fd, 1); return NEXT(fdatasync)(fd); }
