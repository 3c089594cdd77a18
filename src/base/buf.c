/* buf.c - a growing run of bytes that knows its bound. One end byte always stands behind the data.
 */
#include "base/buf.h"

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 256

void
cb_buf_init (cb_buf *self, size_t limit)
{
    *self = (cb_buf){.limit = limit};
}

void
cb_buf_done (cb_buf *self)
{
    free (self->data);
    *self = (cb_buf){.limit = self->limit};
}

int
cb_buf_reserve (cb_buf *self, size_t size)
{
    if (size > self->limit || self->size > self->limit - size)
        return -CB_E_LIMIT;
    size_t need = self->size + size + 1;
    if (need <= self->room)
        return 0;
    size_t room = self->room == 0 ? FIRST_ROOM : self->room;
    while (room < need)
        room *= 2;
    char *data = realloc (self->data, room);
    if (data == NULL)
        return -CB_E_NOMEM;
    self->data = data;
    self->room = room;
    return 0;
}

int
cb_buf_put (cb_buf *self, const void *bytes, size_t size)
{
    CB_TRY (cb_buf_reserve (self, size));
    if (size > 0)
        memcpy (self->data + self->size, bytes, size);
    self->size += size;
    self->data[self->size] = '\0';
    return 0;
}

int
cb_buf_puts (cb_buf *self, const char *text)
{
    return cb_buf_put (self, text, strlen (text));
}

int
cb_buf_printf (cb_buf *self, const char *format, ...)
{
    va_list args;

    va_start (args, format);
    int size = vsnprintf (NULL, 0, format, args);
    va_end (args);
    if (size < 0)
        return -CB_E_INVALID;
    CB_TRY (cb_buf_reserve (self, (size_t)size));
    va_start (args, format);
    (void)vsnprintf (self->data + self->size, (size_t)size + 1, format, args);
    va_end (args);
    self->size += (size_t)size;
    return 0;
}

void
cb_buf_consume (cb_buf *self, size_t size)
{
    if (size >= self->size) {
        self->size = 0;
    } else {
        memmove (self->data, self->data + size, self->size - size);
        self->size -= size;
    }
    if (self->data != NULL)
        self->data[self->size] = '\0';
}

char *
cb_buf_steal (cb_buf *self)
{
    if (self->data == NULL && cb_buf_put (self, "", 0) < 0)
        return NULL;
    char *text = self->data;
    *self = (cb_buf){.limit = self->limit};
    return text;
}
