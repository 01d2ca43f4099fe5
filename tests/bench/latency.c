/* Every call that a network file system would carry to its server takes LATENCY_US longer.
 *
 * For LD_PRELOAD. Paths that are absolute and not below LATENCY_UNDER are left alone: the
 * interpreter's and the programs' own files are not on that file system. Reading, writing and
 * closing are not slowed down, which favours the programs that copy. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void pause_for(const char *path) {
    const char *under = getenv("LATENCY_UNDER"), *us = getenv("LATENCY_US");
    if (!under || !us || (path && path[0] == '/' && strncmp(path, under, strlen(under)))) return;
    usleep((useconds_t)atoi(us));
}

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

#define SLOW(type, name, parameters, path, arguments)      \
    type name parameters {                                 \
        static __typeof__(&name) next;                     \
        if (!next) next = REAL(name);                      \
        pause_for(path);                                   \
        return next arguments;                             \
    }

#define SLOW_OPEN(name)                                    \
    int name(const char *path, int flags, ...) {           \
        static __typeof__(&name) next;                     \
        va_list rest;                                      \
        va_start(rest, flags);                             \
        mode_t mode = va_arg(rest, mode_t);                \
        va_end(rest);                                      \
        if (!next) next = REAL(name);                      \
        pause_for(path);                                   \
        return next(path, flags, mode);                    \
    }

#define SLOW_OPENAT(name)                                  \
    int name(int at, const char *path, int flags, ...) {   \
        static __typeof__(&name) next;                     \
        va_list rest;                                      \
        va_start(rest, flags);                             \
        mode_t mode = va_arg(rest, mode_t);                \
        va_end(rest);                                      \
        if (!next) next = REAL(name);                      \
        pause_for(path);                                   \
        return next(at, path, flags, mode);                \
    }

#undef open
#undef openat
SLOW_OPEN(open)
SLOW_OPEN(open64)
SLOW_OPENAT(openat)
SLOW_OPENAT(openat64)
SLOW(int, stat, (const char *p, struct stat *s), p, (p, s))
SLOW(int, lstat, (const char *p, struct stat *s), p, (p, s))
SLOW(int, stat64, (const char *p, struct stat64 *s), p, (p, s))
SLOW(int, lstat64, (const char *p, struct stat64 *s), p, (p, s))
SLOW(int, fstatat, (int d, const char *p, struct stat *s, int f), p, (d, p, s, f))
SLOW(int, fstatat64, (int d, const char *p, struct stat64 *s, int f), p, (d, p, s, f))
SLOW(int, statx, (int d, const char *p, int f, unsigned m, struct statx *s), p, (d, p, f, m, s))
SLOW(int, link, (const char *a, const char *b), b, (a, b))
SLOW(int, linkat, (int x, const char *a, int y, const char *b, int f), b, (x, a, y, b, f))
SLOW(int, unlink, (const char *p), p, (p))
SLOW(int, unlinkat, (int d, const char *p, int f), p, (d, p, f))
SLOW(int, rename, (const char *a, const char *b), b, (a, b))
SLOW(int, renameat, (int x, const char *a, int y, const char *b), b, (x, a, y, b))
SLOW(int, renameat2, (int x, const char *a, int y, const char *b, unsigned f), b, (x, a, y, b, f))
SLOW(int, mkdir, (const char *p, mode_t m), p, (p, m))
SLOW(int, mkdirat, (int d, const char *p, mode_t m), p, (d, p, m))
SLOW(int, rmdir, (const char *p), p, (p))
SLOW(int, chmod, (const char *p, mode_t m), p, (p, m))
SLOW(int, fchmod, (int d, mode_t m), NULL, (d, m))
SLOW(int, fchmodat, (int d, const char *p, mode_t m, int f), p, (d, p, m, f))
SLOW(int, chown, (const char *p, uid_t u, gid_t g), p, (p, u, g))
SLOW(int, lchown, (const char *p, uid_t u, gid_t g), p, (p, u, g))
SLOW(int, fchown, (int d, uid_t u, gid_t g), NULL, (d, u, g))
SLOW(int, fchownat, (int d, const char *p, uid_t u, gid_t g, int f), p, (d, p, u, g, f))
SLOW(int, futimens, (int d, const struct timespec t[2]), NULL, (d, t))
SLOW(int, utimensat, (int d, const char *p, const struct timespec t[2], int f), p, (d, p, t, f))
SLOW(DIR *, opendir, (const char *p), p, (p))
