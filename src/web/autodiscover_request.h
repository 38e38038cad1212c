/* What an Outlook sends to Autodiscover (POX): read with expat, without entities and DTDs. */
#ifndef DEPESCHE_WEB_AUTODISCOVER_REQUEST_H
#define DEPESCHE_WEB_AUTODISCOVER_REQUEST_H

#include "base/limits.h"
#include "base/slice.h"

struct autodiscover_request {
    char address[LIMIT_ADDRESS + 1]; /* "" : none was sent */
    char schema[256];                /* of the answer it accepts */
};
/* ERR_INPUT: not well-formed, a DTD or an entity, too deep, or a text that is too long. */
must_use enum error autodiscover_read(struct slice xml, struct autodiscover_request *out);

#endif
