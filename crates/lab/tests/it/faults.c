/* Faults of clocks and file systems, put between a program and the C library with LD_PRELOAD. WATTLAB_FAULT says which. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

static int is(const char *fault) {
    const char *asked = getenv("WATTLAB_FAULT");
    return asked && strcmp(asked, fault) == 0;
}

/* Every third call of this kind fails. */
static int turn(atomic_uint *calls) { return atomic_fetch_add(calls, 1) % 3 == 2; }

/* The clock of the calendar jumps a day forward or back at every call; the monotonic clock does not. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    static atomic_uint calls;
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    if (result == 0 && clock == CLOCK_REALTIME && is("clock"))
        time->tv_sec += atomic_fetch_add(&calls, 1) % 2 ? 86400 : -86400;
    return result;
}

/* Renames, but the answer is an error, as when NFS loses it and asks again. */
int rename(const char *from, const char *to) {
    static atomic_uint calls;
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    int result = real(from, to);
    if (result == 0 && is("rename") && strstr(to, "/work/") && turn(&calls)) {
        errno = atomic_load(&calls) % 2 ? ENOENT : EIO;
        return -1;
    }
    return result;
}

/* A file that another machine has just renamed is not there yet, or its handle is stale. */
static int late(const char *path, int flags) {
    static atomic_uint calls;
    if (is("late") && (flags & O_ACCMODE) == O_RDONLY && strstr(path, "/work/") &&
        strstr(path, ".json") && !strstr(path, "settings.json") && turn(&calls)) {
        errno = atomic_load(&calls) % 2 ? ENOENT : ESTALE;
        return 1;
    }
    return 0;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    return late(path, flags) ? -1 : real(path, flags, mode);
}

/* A file system without locks. */
int flock(int file, int operation) {
    int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
    if (is("no-locks")) {
        errno = ENOLCK;
        return -1;
    }
    if (is("unsupported-locks")) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return real(file, operation);
}
