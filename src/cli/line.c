/* line.c - readline behind one poll: keys, signals and the daemon are waited for together.
 *
 * Readline handles no signal itself: those that end or interrupt come by the descriptor of
 * cli/signals, those of the terminal (stop, go on, size) by one that lives as long as a line is
 * read. Its terminal modes are undone whenever we stop or leave, however that comes.
 *
 * Every byte passes s_getc, which knows when a paste begins and ends: within one readline reads
 * until the end mark and nothing else, so a mark that never comes would make it deaf for ever. */
#include "cli/line.h"

#include "base/clock.h"
#include "base/fdio.h"
#include "cli/signals.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

/* Bytes of a paste that are kept: the code of one cell. */
#define S_PASTE_MAX ((size_t)8 << 20)
/* How long a paste may pause before its end mark is given up. */
#define S_PASTE_PATIENCE_MS 3000
/* Cells that arrow-up reaches. */
#define S_HISTORY_MAX 1000
#define S_MARK_SIZE   6

static const char s_begin_mark[] = "\033[200~";
static const char s_end_mark[] = "\033[201~";

/* Readline is one a process, and so is this. */
static struct {
    int outcome; /* -1: goes on */
    char *text;  /* owned */
    int signals;
    bool gone;              /* the terminal is */
    bool pasting;           /* between the marks */
    size_t pasted;          /* bytes of it */
    size_t matched;         /* of the next mark */
    const char *synthesise; /* rest of an end mark that we make */
} s_line;

/* ---- bytes ------------------------------------------------------------------------------------
 */

static void
s_watch_marks (unsigned char byte)
{
    const char *mark = s_line.pasting ? s_end_mark : s_begin_mark;

    if (byte != (unsigned char)mark[s_line.matched])
        s_line.matched = byte == '\033' ? 1 : 0;
    else
        s_line.matched++;
    s_line.pasted++;
    if (s_line.matched < S_MARK_SIZE)
        return;
    s_line.pasting = !s_line.pasting;
    s_line.matched = 0;
    s_line.pasted = 0;
}

/* Within a paste: waits for its next byte; false: it does not come, or a signal did. */
static bool
s_paste_goes_on (void)
{
    struct pollfd wait[2] = {{STDIN_FILENO, POLLIN, 0}, {s_line.signals, POLLIN, 0}};

    return poll (wait, 2, S_PASTE_PATIENCE_MS) > 0 && wait[0].revents != 0 && wait[1].revents == 0;
}

static int
s_read_byte (void)
{
    unsigned char byte = 0;
    ssize_t size;

    while ((size = read (STDIN_FILENO, &byte, 1)) < 0 && errno == EINTR)
        continue;
    if (size == 1)
        return byte;
    s_line.gone = true;
    return EOF;
}

/* The next byte for readline. What goes over the bound of a paste is thrown away, but for the mark.
 */
static int
s_next (void)
{
    for (;;) {
        if (s_line.pasting && !s_paste_goes_on ())
            s_line.synthesise = s_end_mark + s_line.matched;
        if (s_line.synthesise != NULL)
            return EOF;
        int byte = s_read_byte ();
        if (byte == EOF)
            return EOF;
        s_watch_marks ((unsigned char)byte);
        if (!s_line.pasting || s_line.pasted <= S_PASTE_MAX || s_line.matched > 0)
            return byte;
    }
}

static int
s_getc (FILE *stream)
{
    (void)stream;
    if (s_line.synthesise == NULL) {
        int byte = s_next ();
        if (s_line.synthesise == NULL)
            return byte;
    }
    int byte = (unsigned char)*s_line.synthesise++;
    if (*s_line.synthesise == '\0') {
        s_line.synthesise = NULL;
        s_line.pasting = false;
        s_line.matched = 0;
    }
    return byte;
}

/* ---- keys -------------------------------------------------------------------------------------
 */

/* Tab goes to the next multiple of four columns of the text. */
static int
s_on_tab (int count, int key)
{
    const char *begin = rl_line_buffer + rl_point;

    (void)key;
    (void)count;
    while (begin > rl_line_buffer && begin[-1] != '\n')
        begin--;
    size_t column = (size_t)(rl_line_buffer + rl_point - begin);
    return rl_insert_text (&"    "[column % 4]) > 0 ? 0 : 1;
}

static int
s_on_newline (int count, int key)
{
    (void)count;
    (void)key;
    return rl_insert_text ("\n") > 0 ? 0 : 1;
}

/* An end mark that comes late. */
static int
s_on_nothing (int count, int key)
{
    (void)count;
    (void)key;
    return 0;
}

static void
s_on_line (char *text)
{
    s_line.text = text;
    s_line.outcome = text != NULL && !s_line.gone ? CB_LINE_READ : CB_LINE_END;
    rl_callback_handler_remove ();
}

/* At an end of file readline makes a new line on some terminals only. */
static void
s_leave_terminal (void)
{
    rl_eof_found = 0;
    rl_deprep_terminal ();
}

static char *
s_no_completion (const char *text, int state)
{
    (void)text;
    (void)state;
    return NULL;
}

/* Without a word about the character set in the environment, UTF-8. */
static void
s_set_locale (void)
{
    if (setlocale (LC_CTYPE, "") != NULL && strcmp (nl_langinfo (CODESET), "UTF-8") == 0)
        return;
    if (setlocale (LC_CTYPE, "C.UTF-8") != NULL && getenv ("LC_ALL") == NULL)
        (void)setenv ("LC_CTYPE", "C.UTF-8", 1);
}

void
cb_line_init (void)
{
    s_set_locale ();
    rl_readline_name = "cellblock";
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_change_environment = 0;
    rl_instream = stdin;
    rl_outstream = isatty (STDOUT_FILENO) == 1 ? stdout : stderr;
    rl_getc_function = s_getc;
    rl_deprep_term_function = s_leave_terminal;
    rl_completion_entry_function = s_no_completion;
    (void)rl_variable_bind ("enable-bracketed-paste", "on");
    (void)rl_initialize ();
    (void)rl_bind_key ('\t', s_on_tab);
    (void)rl_bind_keyseq ("\\e\\C-m", s_on_newline);
    (void)rl_bind_keyseq (s_end_mark, s_on_nothing);
    using_history ();
    stifle_history (S_HISTORY_MAX);
}

void
cb_line_remember (const char *text)
{
    const HIST_ENTRY *last = history_get (history_base + history_length - 1);

    if (text[strspn (text, " \t\n")] != '\0' && (last == NULL || strcmp (last->line, text) != 0))
        add_history (text);
}

bool
cb_line_more_waits (void)
{
    struct pollfd keys = {STDIN_FILENO, POLLIN, 0};

    return poll (&keys, 1, 0) == 1 && (keys.revents & POLLIN) != 0;
}

/* ---- signals ----------------------------------------------------------------------------------
 */

static void
s_prepare_terminal (void)
{
    rl_prep_term_function (1);
    (void)rl_forced_update_display ();
}

/* As if nobody had caught it; we go on here when the shell says so. */
static void
s_stop (void)
{
    sigset_t stop;

    rl_deprep_term_function ();
    (void)sigemptyset (&stop);
    (void)sigaddset (&stop, SIGTSTP);
    (void)raise (SIGTSTP);
    (void)sigprocmask (SIG_UNBLOCK, &stop, NULL);
    (void)sigprocmask (SIG_BLOCK, &stop, NULL);
    s_prepare_terminal ();
}

/* Somebody may have changed the terminal meanwhile. */
static void
s_go_on (void)
{
    rl_deprep_term_function ();
    s_prepare_terminal ();
}

/* A descriptor for the terminal's own signals, blocked as long as it lives. */
static int
s_open_terminal_signals (sigset_t *ret_before, cb_err *err)
{
    sigset_t wanted;

    (void)sigemptyset (&wanted);
    (void)sigaddset (&wanted, SIGTSTP);
    (void)sigaddset (&wanted, SIGCONT);
    (void)sigaddset (&wanted, SIGWINCH);
    (void)sigprocmask (SIG_BLOCK, &wanted, ret_before);
    int fd = signalfd (-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        (void)sigprocmask (SIG_SETMASK, ret_before, NULL);
    return fd < 0 ? cb_fail_errno (err, CB_E_IO, "no descriptor for signals") : fd;
}

static void
s_on_terminal_signal (int fd)
{
    struct signalfd_siginfo info;

    while (read (fd, &info, sizeof info) == (ssize_t)sizeof info)
        switch (info.ssi_signo) {
        case SIGTSTP:
            s_stop ();
            break;
        case SIGCONT:
            s_go_on ();
            break;
        default:
            rl_resize_terminal ();
            break;
        }
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* Ends the line without the person's Enter; what stood in it, owned. */
static char *
s_abandon (int outcome)
{
    char *text = rl_copy_text (0, rl_end);

    s_line.outcome = outcome;
    rl_callback_sigcleanup ();
    rl_free_line_state ();
    if (outcome == CB_LINE_INTERRUPTED) {
        rl_point = rl_end;
        rl_redisplay ();
        (void)fputs ("^C", rl_outstream);
    }
    if (outcome != CB_LINE_WOKEN)
        (void)fputs ("\n", rl_outstream);
    else
        (void)rl_clear_visible_line ();
    rl_callback_handler_remove ();
    (void)fflush (rl_outstream);
    return text;
}

static void
s_on_signal (void)
{
    int number = cb_signals_next (s_line.signals);

    if (number == 0)
        return;
    char *text = s_abandon (number == SIGINT ? CB_LINE_INTERRUPTED : CB_LINE_TERMINATED);
    if (text != NULL && number == SIGINT)
        cb_line_remember (text);
    free (text);
}

static void
s_turn (const cb_line_want *want, int terminal)
{
    struct pollfd wait[4] = {{STDIN_FILENO, POLLIN, 0},
                             {want->signals, POLLIN, 0},
                             {terminal, POLLIN, 0},
                             {want->wake, POLLIN, 0}};

    if (poll (wait, 4, -1) < 0)
        return;
    if (wait[2].revents != 0)
        s_on_terminal_signal (terminal);
    if (wait[1].revents != 0)
        s_on_signal ();
    if (s_line.outcome < 0 && wait[3].revents != 0 && want->on_wake (want->context))
        s_line.text = s_abandon (CB_LINE_WOKEN);
    if (s_line.outcome < 0 && wait[0].revents != 0)
        rl_callback_read_char ();
}

int
cb_line_read (const cb_line_want *want, char **ret_text, cb_err *err)
{
    char prompt[64];
    sigset_t before;

    cb_auto_close int terminal = s_open_terminal_signals (&before, err);
    if (terminal < 0)
        return terminal;
    s_line.outcome = -1;
    s_line.text = NULL;
    s_line.signals = want->signals;
    (void)snprintf (prompt, sizeof prompt,
                    want->style[0] != '\0' ? "\001%s\002%s\001\033[0m\002" : "%s%s", want->style,
                    want->prompt);
    rl_callback_handler_install (prompt, s_on_line);
    if (want->preset != NULL && want->preset[0] != '\0') {
        (void)rl_insert_text (want->preset);
        rl_redisplay ();
    }
    while (s_line.outcome < 0)
        s_turn (want, terminal);
    (void)sigprocmask (SIG_SETMASK, &before, NULL);
    if (s_line.outcome == CB_LINE_END && !s_line.gone)
        (void)fputs ("\n", rl_outstream);
    if (s_line.outcome == CB_LINE_READ || s_line.outcome == CB_LINE_WOKEN)
        *ret_text = s_line.text;
    else
        free (s_line.text);
    return s_line.outcome;
}
