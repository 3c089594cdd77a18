/* channel.h - the five channels of a kernel, in the order of their descriptors and ports. */
#ifndef CB_BASE_CHANNEL_H
#define CB_BASE_CHANNEL_H

typedef enum {
    CB_CHANNEL_SHELL,
    CB_CHANNEL_IOPUB,
    CB_CHANNEL_STDIN,
    CB_CHANNEL_CONTROL,
    CB_CHANNEL_HB,
    CB_CHANNEL__COUNT
} cb_channel;

/* "shell" and so on; borrowed, static. */
static inline const char *
cb_channel_name (cb_channel channel)
{
    switch (channel) {
    case CB_CHANNEL_SHELL:
        return "shell";
    case CB_CHANNEL_IOPUB:
        return "iopub";
    case CB_CHANNEL_STDIN:
        return "stdin";
    case CB_CHANNEL_CONTROL:
        return "control";
    case CB_CHANNEL_HB:
        return "hb";
    case CB_CHANNEL__COUNT:
        break;
    }
    return "unknown";
}

#endif
