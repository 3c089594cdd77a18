/* page.h - the session page: what a broker that comes after a crash needs to go on with a kernel.
 *
 * A memory file that the warden keeps beside the kernel's sockets. What changes with every message
 * is kept twice: cb_page_commit writes the other copy and then turns to it, so a process that is
 * killed at any moment leaves a whole state behind, the one before or the one after. */
#ifndef CB_KERNEL_PAGE_H
#define CB_KERNEL_PAGE_H

#include "base/channel.h"
#include "base/clock.h"
#include "base/name.h"
#include "kernel/parents.h"
#include "loop/stream.h"
#include "net/recvring.h"
#include "wire/zmtp.h"

/* Another layout is another version; another build is refused in any case. */
#define CB_PAGE_VERSION 4
/* Bytes for the floor above: of every state, written once, and of the running request's header
 * (CB_HEADER_MAX). */
#define CB_PAGE_STATE  2560
#define CB_PAGE_FIXED  131072
#define CB_PAGE_HEADER 65536
/* And of a request that is no cell and is with the kernel. */
#define CB_PAGE_QUESTION (65536 + 1024)
/* A kernel's words about itself. */
#define CB_PAGE_INFO 65536
/* What the running request's client was told and may not have; all that the default profile lets a
 * cell put out, when the client is away. */
#define CB_PAGE_JOURNAL ((size_t)40 * 1024 * 1024)
/* Requests that wait: as much as all sessions together may have of them. */
#define CB_PAGE_QUEUE ((size_t)128 * 1024 * 1024)
/* From the first of them that waits to the last, those between that went count too. */
#define CB_PAGE_WAITING 4096
/* A broker that dies so often within the time after it took a jail over must not take it again. */
#define CB_PAGE_ADOPTIONS 3
#define CB_PAGE_WITHIN    (10 * CB_USEC_PER_SEC)

/* Readers of iopub. */
#define CB_PAGE_READERS 128

/* One of them, as far as a broker after us must know. */
typedef struct cb_page_reader {
    int32_t pid;      /* of its process, 0: the place is free */
    uint32_t waiting; /* messages that may lie in our queue for it */
    uint64_t had;     /* number of the last message that it was given */
    uint64_t all;     /* 1: it was subscribed to everything */
} cb_page_reader;

/* Memory for messages (session/journal). */
typedef enum { CB_AREA_JOURNAL, CB_AREA_QUEUE, CB_AREA__COUNT } cb_area;

/* What is on its way to the kernel: bytes `base` to `end` of the stream lie in the page. */
typedef struct cb_page_out {
    uint64_t base;
    uint64_t end;
} cb_page_out;

typedef struct cb_page_state {
    cb_zmtp_saved channels[CB_CHANNEL__COUNT];
    cb_page_out outs[CB_CHANNEL__COUNT];
    uint64_t above[CB_PAGE_STATE / sizeof (uint64_t)]; /* the session's */
} cb_page_state;

/* The memory itself. */
typedef struct cb_page_shared {
    char magic[16];
    char build[32];
    uint32_t version;
    uint32_t size; /* of this struct */
    uint64_t max_message;
    uint32_t named;     /* 1: `fixed` is written */
    uint32_t ready;     /* 1: the kernel has answered */
    uint32_t n_adopted; /* how often it was taken over */
    cb_usec adopted[CB_PAGE_ADOPTIONS];
    cb_sendlog sends[CB_CHANNEL__COUNT];
    uint8_t sending[CB_CHANNEL__COUNT]; /* 1: on its way to the kernel is what is not kept */
    char key[65];                       /* the kernel's */
    char identity[CB_NAME_MAX + 16];
    char hidden[18];
    cb_parents parents;
    uint8_t gone[CB_PAGE_WAITING / 8]; /* a bit: of those that wait, who went before his turn */
    uint8_t told[CB_PAGE_WAITING];     /* messages that their clients were told */
    uint8_t given; /* 1: the reply of the running request was passed on to who asked */
    cb_page_reader readers[CB_PAGE_READERS];
    uint32_t info_size;
    uint32_t turn; /* the state in force */
    cb_page_state states[2];
    cb_recvlog logs[CB_CHANNEL__COUNT];
    char info[CB_PAGE_INFO];
    uint64_t fixed[CB_PAGE_FIXED / sizeof (uint64_t)];
    char header[CB_PAGE_HEADER];
    uint64_t question[CB_PAGE_QUESTION / sizeof (uint64_t)];
} cb_page_shared;

typedef struct cb_page {
    cb_page_shared *shared;
    size_t size;                 /* bytes mapped */
    cb_page_state work;          /* becomes the state in force with cb_page_commit */
    char *areas[CB_AREA__COUNT]; /* shared */
    char *rings[CB_CHANNEL__COUNT];
    uint32_t rooms[CB_CHANNEL__COUNT];
    char *outs[CB_CHANNEL__COUNT]; /* cb_page_out_size bytes each, shared */
} cb_page;

/* A new one; *ret_fd is its memory file, the caller's. max_message: bytes of a message on iopub.
 * Owned; NULL with err. */
cb_page *cb_page_new (size_t max_message, int *ret_fd, cb_err *err);
/* One that was left behind (fd is borrowed). -CB_E_PROTO: of another build, not ready, or not to be
 * trusted, in words. Owned; NULL with err. */
cb_page *cb_page_open (int fd, cb_err *err);
void cb_page_destroy (cb_page **self);

/* work is in force. */
void cb_page_commit (cb_page *self);

/* Bytes of a message on a channel that is kept, 0: max_message of the page. */
size_t cb_page_channel_max (cb_channel channel);

/* Bytes of what may be on its way to the kernel on a channel. */
size_t cb_page_out_size (cb_channel channel);

/* Bytes of an area. */
size_t cb_page_area_size (cb_area area);

/* It is taken over now. */
void cb_page_adopted (cb_page *self, cb_usec now);
/* Whether that happened so often of late that it must not happen again. */
int cb_page_is_deadly (const cb_page *self, cb_usec now);
/* When it was taken over last, 0: never. */
cb_usec cb_page_adopted_at (const cb_page *self);

#endif
