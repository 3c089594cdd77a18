/* options.h - options by a table: one row an option, parsed, checked and explained from it. */
#ifndef CB_CLI_OPTIONS_H
#define CB_CLI_OPTIONS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Words of one kind on a command line (inputs, files to put): more is a mistake. */
#define CB_WORDS_MAX 4096

typedef struct cb_words {
    const char *items[CB_WORDS_MAX]; /* borrowed from argv */
    size_t count;
} cb_words;

typedef enum {
    CB_OPTION_FLAG,   /* bool *: set to true */
    CB_OPTION_TEXT,   /* const char **: the last one counts */
    CB_OPTION_WORDS,  /* cb_words *: may be given many times */
    CB_OPTION_TIME,   /* double *: seconds, or with a unit ("500ms", "2 min") */
    CB_OPTION_NUMBER, /* uint32_t *: a whole number from 1 on */
    CB_OPTION_CHOICE, /* int *: the place of the word in hint, "text|json" */
    CB_OPTION_HELP    /* prints the help and ends */
} cb_option_kind;

typedef struct cb_option {
    const char *name; /* long form; NULL ends the table */
    char letter;      /* short form or 0 */
    cb_option_kind kind;
    void *value;
    const char *hint; /* what the value is called in the help, or the choices */
    const char *help;
} cb_option;

/* What a command takes, for the help. */
typedef struct cb_synopsis {
    const char *command;   /* "run"; "" for what stands before a command */
    const char *arguments; /* "(-c CODE | FILE | -)" */
    const char *about;     /* a paragraph */
    const cb_option *options;
    size_t least, most; /* how many words that are no options; most 0 and least 0: none */
} cb_synopsis;

enum { CB_OPTIONS_OK, CB_OPTIONS_HELP }; /* outcomes of cb_options_parse */

/* Takes options out of argv (argv[0] is skipped, NULL ends it). Both tables are looked at; globals
 * may be NULL. stop: the first word that is no option ends the parsing and everything from it on
 * goes into words, else options and words may be mixed and "--" ends the options.
 * -CB_E_INVALID: a usage error with its sentence. */
typedef struct cb_options_rules {
    const cb_option *options;
    const cb_option *globals;
    bool stop;
} cb_options_rules;

int cb_options_parse (const cb_options_rules *rules, char **argv, cb_words *ret_words, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Prints the text, whose first line begins behind `indent` columns that are there already, in lines
 * of 80 columns; what is in brackets stays together. */
void cb_options_wrap (const char *text, size_t indent, FILE *to);

/* The options, aligned. */
void cb_options_explain (const cb_option *options, FILE *to);

#endif
