/* fake-cgroup.h - for tests: folders that behave as control groups, without rights or a kernel.
 *
 * A test that links it gets its mkdir, rmdir, kill and cb_cgio_write (-Wl,--wrap): below the
 * fake's folder mkdir fills a group with its files, rmdir wants it empty, and a write moves or
 * kills processes as Linux would. Every write is kept; kill reaches our own children alone. */
#ifndef CB_WARDEN_FAKE_CGROUP_H
#define CB_WARDEN_FAKE_CGROUP_H

#include <stddef.h>
#include <sys/types.h>

/* Makes a folder for hierarchies, empty. */
void fake_open (void);
/* Kills the children it knows and removes everything. */
void fake_close (void);

/* The folder; a path below it, good until the 8th call after. */
const char *fake_top (void);
const char *fake_path (const char *below);

/* A group with the files of its version ("" with the folders above it, which exist then too). */
void fake_group (const char *below, int version);
/* A file of a group, written anew. */
void fake_file (const char *below, const char *text);
void fake_unlink (const char *below);
/* The text of a file below; "" when there is none. Good until the next call. */
const char *fake_text (const char *below);

/* Writes to a file of this name fail with this errno; NULL: none does. */
void fake_refuse (const char *name, const char *text, int error);
/* The writes since the last call, "PATH=TEXT\n" each, PATH as below the folder. */
const char *fake_writes (void);

/* A child that sleeps, in the group; its pid. */
pid_t fake_child (const char *below);
/* Whether that child was killed by SIGKILL; waits for it. */
int fake_was_killed (pid_t child);

#endif
