/* The webmail's files, built into the program: the table is made by tools/assets from what
 * webmail/build writes. */
#ifndef DEPESCHE_WEB_ASSETS_H
#define DEPESCHE_WEB_ASSETS_H

#include "base/slice.h"

struct web_asset {
    struct slice path;                   /* "/mail/", "/assets/app.1A2B3C4D.js" */
    const char *type;                    /* Content-Type */
    const char *tag;                     /* of its content, for ETag; without quotes */
    struct slice identity, gzip, brotli; /* the last two are empty where they save nothing */
};

/* Sorted by path, bytewise. */
extern const struct web_asset web_asset_table[];
extern const size_t web_asset_count;

#endif
