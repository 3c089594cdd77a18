/* filemsg.h - the packets between the broker and its file process. Same build, fixed structs. */
#ifndef CB_PROV_FILEMSG_H
#define CB_PROV_FILEMSG_H

#include "prov/filer.h"

/* Broker -> process; for a PUT its bytes follow. */
typedef struct cb_filer_ask {
    uint64_t serial;
    uint64_t jail;
    uint64_t max_bytes;
    uint64_t offset;
    uint32_t kind; /* cb_job_kind */
    uint32_t size; /* PUT: bytes behind the struct; GET: bytes wanted */
    char run[64];
    char path[PATH_MAX];
} cb_filer_ask;

typedef enum { CB_FILER_ITEM = 1, CB_FILER_END } cb_filer_type;

/* Process -> broker: any number of items, then one end. */
typedef struct cb_filer_item {
    uint64_t serial;
    uint32_t type; /* CB_FILER_ITEM */
    cb_artifact artifact;
} cb_filer_item;

/* For a GET its bytes follow. */
typedef struct cb_filer_end {
    uint64_t serial;
    uint32_t type; /* CB_FILER_END */
    int32_t code;
    uint32_t refused;
    uint32_t size; /* bytes behind the struct */
    uint64_t file_size;
    char text[CB_ERR_TEXT_MAX];
} cb_filer_end;

/* Bytes of the largest packet of either direction. */
#define CB_FILER_PACKET_MAX (sizeof (cb_filer_ask) + CB_FILER_BLOCK_MAX)

/* Lets the socket send packets of CB_FILER_PACKET_MAX (net.core.wmem_max may be lower than we ask
 * for; the kernel doubles it, which is enough with its default). */
int cb_filer_socket_prepare (int socket, cb_err *err);

/* "work/a/b": one of work, output, tmp, then usable names; "" only if empty_too. */
int cb_filer_path_check (const char *path, int empty_too, cb_err *err);

/* Room for a name that is shown, end included. */
#define CB_SHOWN_MAX 256

/* The bytes of a name as they can be shown: what is not plain UTF-8 text is escaped as \xHH, a long
 * one is cut. Returns shown. */
const char *cb_filer_shown (const char *name, char shown[CB_SHOWN_MAX]);

#endif
