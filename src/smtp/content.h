/* The content of a message as it comes over the wire: DATA with its dots (RFC 5321 4.5.2) and the
 * chunks of BDAT (RFC 3030). Pure: bytes in, runs of content out, resumable at any byte.
 *
 * The end of data is CRLF.CRLF and nothing else. A bare CR, a bare LF, a NUL or an overlong line
 * anywhere spoils the message, and the real end is still looked for: so nothing that another server
 * might take for an end can start a second message here (SMTP smuggling), and nothing that spoils
 * passes on. */
#ifndef DEPESCHE_SMTP_CONTENT_H
#define DEPESCHE_SMTP_CONTENT_H

#include "smtp/reply.h"

struct content {
    enum smtp_reply spoiled; /* REPLY_NONE while the content is good; the first finding counts */
    bool mid_line;           /* the byte before was not the LF of a CRLF */
    bool after_cr;           /* chunks only: the byte before was a CR */
    bool ended;              /* DATA: CRLF.CRLF was taken */
    uint64_t line;           /* bytes of the current line so far */
    uint64_t taken;          /* bytes taken off the wire, dots and all */
};

/* Called with each run of content, in order; the runs point into the input. */
typedef void content_emit(void *arg, struct slice run);

/* Takes DATA bytes. Returns how many were taken: all but at most two that cannot be judged before
 * the next comes (call again with these in front), and none after the end (`ended`). Emits nothing
 * once spoiled. */
size_t content_data(struct content *c, struct slice in, content_emit *emit, void *arg);

/* Takes bytes of a chunk, all of them. */
void content_chunk(struct content *c, struct slice in, content_emit *emit, void *arg);
/* After the last chunk: judges what could not be before. */
void content_chunks_end(struct content *c);

#endif
