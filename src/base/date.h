/* Dates as mail writes them. All functions take and give seconds since 1970 UTC plus the zone the
 * writer named, in minutes east of UTC. Proleptic Gregorian, years 1..9999. */
#ifndef DEPESCHE_BASE_DATE_H
#define DEPESCHE_BASE_DATE_H

#include "base/buf.h"

struct date {
    int64_t seconds;
    int16_t zone; /* minutes east of UTC */
};

struct civil {
    int32_t year;
    uint8_t month, day, hour, minute, second, weekday; /* month 1..12, weekday 0 = Sunday */
};

/* Leap seconds are not counted; fields must be in range. */
int64_t date_from_civil(const struct civil *c);
struct civil date_to_civil(int64_t seconds);

/* RFC 5322 section 3.3 with the obsolete forms of 4.3 (named zones, two-digit years, comments). */
must_use enum error date_parse_rfc5322(struct slice s, struct date *out);
/* "Fri, 21 Nov 1997 09:55:06 -0600" */
void date_print_rfc5322(struct date d, struct buf *out);
/* IMAP date-time "17-Jul-1996 02:44:25 -0700" without the quotes (RFC 9051). */
must_use enum error date_parse_imap(struct slice s, struct date *out);
void date_print_imap(struct date d, struct buf *out);
/* IMAP date "1-Feb-1994" or with quotes removed; the day's first second UTC. */
must_use enum error date_parse_imap_day(struct slice s, int64_t *out);
/* "2026-11-22T12:00:00Z" */
void date_print_iso(int64_t seconds, struct buf *out);
must_use enum error date_parse_iso(struct slice s, int64_t *out);

/* This machine's zone at that instant, minutes east of UTC. */
int16_t date_local_zone(int64_t seconds);

#endif
