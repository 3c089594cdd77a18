/* test-control.c - the table of verbs is complete. */
#include "base/tap.h"
#include "front/control-int.h"

int
main (void)
{
    size_t n_verbs = 0;
    const cb_ctl_verb *verbs = cb_ctl_verbs (&n_verbs);

    for (size_t i = 0; i < n_verbs; i++)
        ok (cb_verb_find (verbs[i].name) != NULL, "%s has a handler", verbs[i].name);
    ok (cb_verb_find ("run_reply") == NULL, "a reply has none");
    return tap_done ();
}
