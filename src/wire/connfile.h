/* connfile.h - Jupyter connection files, read and written as text in memory; the caller does the
 * I/O. broker.json is one too, with members of our own beside Jupyter's. */
#ifndef CB_WIRE_CONNFILE_H
#define CB_WIRE_CONNFILE_H

#include "base/channel.h"
#include "base/jsonx.h"
#include "wire/sign.h"

/* Bytes of a connection file that we read. */
#define CB_CONNFILE_MAX 65536
/* Bytes of "ip", its end included: a host name or the front part of a Unix socket's path. */
#define CB_CONN_IP_MAX 256
/* Bytes of an endpoint's text, its end included. */
#define CB_ENDPOINT_MAX 288
/* Bytes of a kernel's name, its end included. */
#define CB_KERNEL_NAME_MAX 256

typedef enum { CB_TRANSPORT_TCP, CB_TRANSPORT_IPC, CB_TRANSPORT__COUNT } cb_transport;

typedef struct cb_connfile {
    cb_transport transport;
    char ip[CB_CONN_IP_MAX];              /* ipc: the socket of a channel is IP-PORT */
    int ports[CB_CHANNEL__COUNT];         /* 1 to 65535, all different */
    char key[CB_KEY_MAX];                 /* never empty: unsigned connections are refused */
    char kernel_name[CB_KERNEL_NAME_MAX]; /* may be "" */
    json_t *more; /* owned: members that are not Jupyter's; NULL without any */
} cb_connfile;

/* An empty one: transport ipc, ports 1 to 5. */
void cb_connfile_init (cb_connfile *self);
/* Wipes the key and frees. Usable with cb_scoped. */
void cb_connfile_done (cb_connfile *self);

/* A new random key of 64 hex digits (32 bytes from the kernel). */
void cb_connfile_new_key (cb_connfile *self);

/* Takes over what the text says; self was initialised and is only changed on success.
 * -CB_E_INVALID, -CB_E_LIMIT or -CB_E_UNSUPPORTED (another scheme, no key) name the field. */
int cb_connfile_read (cb_connfile *self, const char *text, size_t size, cb_err *err)
    __attribute__ ((warn_unused_result));

/* The file's text (indented JSON with a line end), checked by the same rules as reading. Owned by
 * the caller (free); NULL with err. */
char *cb_connfile_write (const cb_connfile *self, size_t *ret_size, cb_err *err);

/* "ipc:///run/cellblock/c-1" or "tcp://127.0.0.1:5555" into text. -CB_E_LIMIT for a Unix socket's
 * path over 107 bytes. */
int cb_connfile_endpoint (const cb_connfile *self, cb_channel channel, char text[CB_ENDPOINT_MAX],
                          cb_err *err) __attribute__ ((warn_unused_result));

#endif
