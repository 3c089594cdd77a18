/* test-fixture.h - a jail's folder, a fake warden, a real file process and the broker's side of it.
 */
#ifndef CB_PROV_TEST_FIXTURE_H
#define CB_PROV_TEST_FIXTURE_H

#include "prov/filer.h"

#include <stddef.h>
#include <sys/types.h>

#define TEST_ITEMS_MAX 1100

typedef struct test_house {
    char folder[64];
    int jail;  /* its root: work, output, tmp */
    int state; /* the state folder, O_PATH */
    pid_t filer;
    pid_t warden;
    cb_filer *self;
} test_house;

/* The last answer, copied. */
typedef struct test_answer {
    int count; /* answers so far */
    int code;
    char text[CB_ERR_TEXT_MAX];
    cb_artifact items[TEST_ITEMS_MAX];
    size_t n_items;
    uint32_t refused;
    char bytes[CB_FILER_BLOCK_MAX];
    size_t size;
    uint64_t file_size;
} test_answer;

extern test_house test;
extern test_answer test_got;

/* Folders, then everything started; test_start alone: with another state folder. */
void test_open (void);
void test_start (int state);
/* Closes the line. Whether both processes ended by themselves. */
int test_close (void);
int test_wait (pid_t pid);
void test_die (const char *what);

void test_on_job (const cb_job_result *result, void *context);
/* Dispatches until `answers` more came; what the last dispatch returned. */
int test_run (int answers);

/* Submit and wait: the answer's code, -1 when it was not accepted. */
int test_do (const cb_job *job);
int test_collect (const char *run, uint64_t max_bytes);
int test_put (const char *path, uint64_t offset, const char *bytes, size_t size);
int test_get (const char *path, uint64_t offset, size_t size);
int test_list (const char *path);

/* In the jail's folder. */
void test_write (const char *path, const void *bytes, size_t size);
void test_text (const char *path, const char *text);
void test_symlink (const char *target, const char *path);

/* Whether the state folder holds that file with that text and mode; whether nothing is there. */
int test_state_has (const char *path, const char *text, mode_t mode);
int test_state_lacks (const char *path);

#endif
