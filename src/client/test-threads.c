/* test-threads.c - threads that libcellblock starts take no signal of the program, not even one
 * that has not begun to run yet. */
#include "base/tap.h"
#include "client/cellblock.h"
#include "client/test-daemon.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

typedef int s_create (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static _Thread_local int s_counts; /* threads that this one makes */
static int s_made;
static int s_open_to_signals;

/* Takes the place of the C library's: a new thread begins with the mask of its maker. */
__attribute__ ((visibility ("default"))) int
pthread_create (pthread_t *thread, const pthread_attr_t *attributes, void *(*start) (void *),
                void *context)
{
    s_create *create = NULL;
    sigset_t now;

    *(void **)&create = dlsym (RTLD_NEXT, "pthread_create");
    if (s_counts) {
        (void)pthread_sigmask (SIG_BLOCK, NULL, &now);
        s_made++;
        s_open_to_signals += !sigismember (&now, SIGINT) || !sigismember (&now, SIGTERM);
    }
    return create (thread, attributes, start, context);
}

int
main (void)
{
    cb_scripted daemon;
    cellblock_client *client = NULL;
    sigset_t before;
    sigset_t after;

    ok (cb_scripted_start (&daemon), "a scripted daemon in %s", daemon.folder);
    (void)pthread_sigmask (SIG_BLOCK, NULL, &before);
    s_counts = 1;
    ok (cellblock_open (daemon.folder, &client) == 0, "open %s", cellblock_error_text (client));
    s_counts = 0;
    (void)pthread_sigmask (SIG_BLOCK, NULL, &after);
    ok (s_made > 0, "it makes %d threads", s_made);
    ok (s_open_to_signals == 0, "%d of them could take a signal", s_open_to_signals);
    ok (sigismember (&before, SIGINT) == sigismember (&after, SIGINT), "our own mask is as it was");
    cellblock_close (&client);
    cb_scripted_stop (&daemon);
    return tap_done ();
}
