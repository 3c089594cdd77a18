/* fdio.h - descriptors: whole reads and writes, random bytes, memory files, whole-file writes. */
#ifndef CB_BASE_FDIO_H
#define CB_BASE_FDIO_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Writes all bytes; EINTR and short writes are handled. For blocking descriptors. */
int cb_write_all (int fd, const void *bytes, size_t size, cb_err *err);

/* Whether all of it is zero: what a hole reads as. */
int cb_is_zero (const void *bytes, size_t size);

/* Appends everything up to end of file to into; -CB_E_LIMIT when it is more than into may hold. */
int cb_read_all (int fd, cb_buf *into, cb_err *err);

/* Reads a regular file below dir_fd (AT_FDCWD too) with at most limit bytes into an owned buffer
 * that the caller initialises with that limit. O_NOFOLLOW; -CB_E_NOTFOUND when it is not there. */
int cb_read_file (int dir_fd, const char *path, cb_buf *into, cb_err *err);

/* Writes a file below dir_fd as a whole or not at all (temporary name, rename); mode 0600. */
int cb_write_file (int dir_fd, const char *name, const void *bytes, size_t size, cb_err *err);
/* The same of a file that everybody may read: mode 0644, whatever the umask. The mode is set before
 * the name is, for in somebody else's folder the name may be another file's a moment later. */
int cb_write_public_file (int dir_fd, const char *name, const cb_buf *text, cb_err *err);

/* size bytes from the kernel's generator. Never fails (aborts where getrandom is missing). */
void cb_random (void *bytes, size_t size);

/* 2 * size hex digits and an end byte into text. */
void cb_random_hex (char *text, size_t size);

/* A sealed memory file that holds the bytes, offset 0, close-on-exec. Owned descriptor or -CB_E_*.
 */
int cb_memfd (const char *name, const void *bytes, size_t size, cb_err *err);

/* Opens those of 0 to 2 that are closed, so that nothing opened later takes their place and gets
 * what is meant for them. They stay unreadable (0) and unwritable (1): an error, as if they were
 * closed; what is said on 2 is lost. */
void cb_hold_standard (void);

/* O_NONBLOCK on or off. */
int cb_set_nonblock (int fd, int on, cb_err *err);

/* Raises the soft limit of open files to the hard one; the number now in force. */
uint64_t cb_raise_nofile (void);

#endif
