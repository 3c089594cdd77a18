/* client.c - a small client of cellblock: runs Python in a session of its own and shows all of it.
 *
 *   cc client.c $(pkg-config --cflags --libs cellblock) -o client
 *   cellblock daemon start
 *   echo 'print(6 * 7)' | ./client
 */
#include <cellblock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE_MAX 65536

/* Every event is printed as it is: the JSON of its content. A real client parses it and, above all,
 * takes nothing in it for harmless: it was written by the code that ran. */
static int
on_event (const cellblock_event *event, void *context)
{
    (void)context;
    if (event == NULL)
        return 1; /* a signal: interrupt the run */
    printf ("%-15s %s\n", cellblock_event_type (event), cellblock_event_content (event, NULL));
    fflush (stdout);
    return 0;
}

int
main (void)
{
    static char code[CODE_MAX];
    const cellblock_run_options options = {
        .size = sizeof options, .timeout_s = 5, .on_event = on_event};
    cellblock_client *client = NULL;
    int result = EXIT_FAILURE;

    code[fread (code, 1, sizeof code - 1, stdin)] = '\0';
    if (cellblock_open (NULL, &client) < 0) {
        fprintf (stderr, "client: %s\n", cellblock_error_text (client));
        cellblock_close (&client);
        return EXIT_FAILURE;
    }
    cellblock_event *reply = cellblock_run (client, code, &options);
    if (reply != NULL) {
        printf ("%-15s %s\n", cellblock_event_type (reply), cellblock_event_content (reply, NULL));
        if (cellblock_event_code (reply) == CELLBLOCK_OK)
            result = EXIT_SUCCESS;
    } else {
        fprintf (stderr, "client: %s\n", cellblock_error_text (client));
    }
    cellblock_event_free (&reply);
    cellblock_close (&client);
    return result;
}
