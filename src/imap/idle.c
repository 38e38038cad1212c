/* IDLE (RFC 2177): parked, woken by the store at each commit that touches the mailbox. */
#include "base/mem.h"
#include "imap/frame.h"
#include "imap/respond.h"

static void run_idle(struct imap_session *s, void *args)
{
    char *tag = arena_cstr(&s->arena, s->tag);
    if (!tag) {
        imap_error(s, ERR_LIMIT);
        return;
    }
    /* Watching begins before the last look, so that nothing falls between. */
    if (s->snapshot) {
        enum error e = store_watch(s->service->store, s->account, s->mailbox, s->waker, &s->watch);
        if (e != OK) {
            imap_error(s, e);
            return;
        }
    }
    s->pending_tag = mem_strdup(tag);
    s->mode = IMAP_IDLE;
    imap_lit(s, "+ idling\r\n");
    imap_sync(s, IMAP_SYNC_ALL);
}

void imap_idle_line(struct imap_session *s, struct slice line)
{
    s->mode = IMAP_COMMANDS;
    if (s->watch)
        store_unwatch(s->watch);
    s->watch = NULL;
    s->tag = slice_str(s->pending_tag);
    if (slice_ieq(line, SLICE("DONE")))
        imap_ok(s, "Idle is over");
    else
        imap_bad(s, "DONE was expected");
    imap_finish(s, IMAP_SYNC_ALL);
    mem_free(s->pending_tag);
    s->pending_tag = NULL;
}

static const struct imap_command commands[] = {
    {"IDLE", IMAP_LOGGED_IN, 0, NULL, run_idle},
};
const struct imap_command_table imap_idle_commands = {commands,
                                                      sizeof commands / sizeof commands[0]};
