/* The store: accounts' mailboxes, messages, flags, changes and bodies, and the outbound queue's
 * entries.
 *
 * This interface speaks of mail, neither of SQL nor of keys. An engine implements it; nothing above
 * knows which one runs. The embedded engine: an account lives in one shard (hash of its id; their
 * number is fixed when the store is made). A shard is one SQLite index (WAL, synchronous=FULL), one
 * append-only segment log for bodies and one committer thread that groups what waits: bodies
 * appended, fdatasync, one transaction, then everybody is answered.
 *
 * Every function that changes something returns after the change is durable. A change is visible to
 * every later call, and watchers are woken at the commit. Functions are thread-safe and may block
 * for a commit. Nothing holds a database handle between calls.
 *
 * Errors common to changes: ERR_FULL (disk full: nothing changed, try later), ERR_IO (the shard is
 * closed for writing after a failed sync), ERR_AGAIN (no descriptors or no memory just now: nothing
 * changed), ERR_BUG (the rows do not agree with each other: nothing changed, store_check tells
 * more), ERR_CLOSED (stopping), ERR_NOTFOUND (mailbox gone). */
#ifndef DEPESCHE_STORE_STORE_H
#define DEPESCHE_STORE_STORE_H

#include "base/arena.h"
#include "base/limits.h"
#include "message/summary.h"
#include "net/runtime.h"

struct store;

struct store_options {
    const char *dir; /* made with mode 0700 when it does not exist */
    unsigned shards; /* for a new store; 0: 1. Ignored for an existing one. */
    bool
        read_only; /* for commands beside a running server; no committer, changes give ERR_CLOSED */
    int undelete_days; /* expunged messages stay recoverable that long; 0: 14; -1: not at all */
};

/* ERR_CONFLICT when another process has it open for writing, or it is of a newer version than this
 * program (a log line says which). */
must_use enum error store_open(const struct store_options *o, struct store **out);
/* Commits what waits, ends the committers, closes. Watches must be gone. */
void store_close(struct store *s);

/* --- Flags --- */

/* A message's flags are one word: five system flags and up to LIMIT_KEYWORDS keywords, whose
 * names stand in the account's table; keyword k is bit FLAG_KEYWORD_SHIFT + k. */
#define FLAG_SEEN          UINT64_C(1)
#define FLAG_ANSWERED      UINT64_C(2)
#define FLAG_FLAGGED       UINT64_C(4)
#define FLAG_DELETED       UINT64_C(8)
#define FLAG_DRAFT         UINT64_C(16)
#define FLAG_SYSTEM        UINT64_C(31)
#define FLAG_KEYWORD_SHIFT 5

/* Flags as a request gives them: keyword names (IMAP atoms, compared without case). */
struct flag_list {
    uint64_t system;
    const struct slice *keywords;
    size_t n;
};

/* The account's keyword names, immutable; name k belongs to bit FLAG_KEYWORD_SHIFT + k. Grows only.
 */
struct keyword_table {
    struct slice name[LIMIT_KEYWORDS];
    size_t n;
};
/* A reference; give it back with store_keywords_unref(). */
must_use enum error store_keywords(struct store *s, uint64_t account,
                                   const struct keyword_table **out);
void store_keywords_unref(const struct keyword_table *t);

/* --- Mailboxes --- */

enum special_use {
    USE_NONE,
    USE_INBOX, /* not an attribute in IMAP; marks the one Inbox */
    USE_DRAFTS,
    USE_SENT,
    USE_JUNK,
    USE_TRASH,
    USE_ARCHIVE,
    USE_FLAGGED,   /* only by CREATE-SPECIAL-USE */
    USE_IMPORTANT, /* only by CREATE-SPECIAL-USE */
};

struct mailbox {
    uint32_t id; /* unique in the account, never reused; MAILBOXID (RFC 8474) is made of it */
    uint32_t uid_validity;
    struct slice name; /* UTF-8 in NFC, hierarchy '/'; the Inbox is "INBOX" */
    enum special_use use;
    bool subscribed;
    uint32_t uid_next;
    uint64_t modseq; /* highest of its messages' and expunges', and of `shaped` */
    uint64_t shaped; /* when it was made, renamed or (un)subscribed last */
    uint32_t exists, unseen, deleted;
    uint64_t bytes;
};

/* All mailboxes of an account with their figures: an immutable, reference-counted snapshot, sorted
 * by name (INBOX first), served from memory while the account is in use. */
struct mailbox_list {
    uint64_t account;
    uint64_t modseq; /* of the account: grows with every change in it */
    const struct mailbox *box;
    size_t n;
};

/* Makes the account's default mailboxes (INBOX, Drafts, Sent, Junk, Trash, Archive; display names
 * German or English by `language`; all subscribed) when it has none yet; cheap otherwise. Call at
 * login; delivery does it by itself. */
must_use enum error store_account_ensure(struct store *s, uint64_t account, struct slice language);
must_use enum error store_mailboxes(struct store *s, uint64_t account,
                                    const struct mailbox_list **out);
void store_mailboxes_unref(const struct mailbox_list *l);
/* In the list given; NULL when there is none. Names compare bytewise, INBOX without case. */
const struct mailbox *store_mailbox_named(const struct mailbox_list *l, struct slice name);
const struct mailbox *store_mailbox_by_id(const struct mailbox_list *l, uint32_t id);
const struct mailbox *store_mailbox_by_use(const struct mailbox_list *l, enum special_use use);

/* Makes the mailbox and its missing superiors. ERR_CONFLICT: exists; ERR_INPUT: not a good name
 * (empty level, control bytes, not NFC UTF-8, over LIMIT_MAILBOX_NAME or _LEVELS); ERR_LIMIT:
 * LIMIT_MAILBOXES; a special use that another mailbox has is ERR_CONFLICT too. *id is filled on OK.
 */
must_use enum error store_mailbox_create(struct store *s, uint64_t account, struct slice name,
                                         enum special_use use, uint32_t *id);
/* With its messages, which stay recoverable while no more than LIMIT_MAILBOXES mailboxes of the
 * account are gone: the oldest go for good then. ERR_AUTH: the Inbox; ERR_CONFLICT: it has
 * children. */
must_use enum error store_mailbox_delete(struct store *s, uint64_t account, struct slice name);
/* With its children, whose names must stay good ones too. Renaming INBOX moves its messages to the
 * new mailbox and leaves INBOX empty (RFC 9051 6.3.6). ERR_NOTFOUND, ERR_CONFLICT, ERR_INPUT as
 * above. */
must_use enum error store_mailbox_rename(struct store *s, uint64_t account, struct slice from,
                                         struct slice to);
/* Subscribing to a name that does not exist is remembered (RFC 9051 6.3.7). ERR_LIMIT: of too many
 * names already. */
must_use enum error store_subscribe(struct store *s, uint64_t account, struct slice name,
                                    bool subscribed);
/* Names subscribed that do not exist as mailboxes; for LIST (SUBSCRIBED) and LSUB. */
must_use enum error store_subscribed_missing(struct store *s, uint64_t account, struct arena *a,
                                             struct slice **names, size_t *n);

struct store_usage {
    uint64_t bytes;
    uint64_t messages;
};
must_use enum error store_usage(struct store *s, uint64_t account, struct store_usage *out);

/* --- Snapshots: a mailbox's message numbers, uids, flags, modseqs and sizes --- */

struct snapshot_entry {
    uint32_t uid;
    uint32_t size; /* RFC822.SIZE, bytes with CRLF line ends */
    uint64_t flags;
    uint64_t modseq;
};

/* Immutable and reference-counted; all sessions on a mailbox share one, and two that follow each
 * other share the pieces that did not change. */
struct snapshot;

struct snapshot_info {
    uint64_t account;
    uint32_t mailbox, uid_validity, uid_next, count;
    uint64_t modseq;
};

/* The newest. ERR_NOTFOUND when the mailbox is gone. Reads the index the first time only. */
must_use enum error store_snapshot(struct store *s, uint64_t account, uint32_t mailbox,
                                   struct snapshot **out);
struct snapshot *snapshot_ref(struct snapshot *n) must_use;
void snapshot_unref(struct snapshot *n);
struct snapshot_info snapshot_info(const struct snapshot *n);
/* Message numbers are 1 .. count. The entry stays valid while the snapshot is held. */
const struct snapshot_entry *snapshot_at(const struct snapshot *n, uint32_t seq);
/* The number of the first message whose uid is >= uid; count + 1 when there is none. */
uint32_t snapshot_lower_bound(const struct snapshot *n, uint32_t uid);
/* The entry with that uid, NULL when there is none; *seq may be NULL. */
const struct snapshot_entry *snapshot_uid(const struct snapshot *n, uint32_t uid, uint32_t *seq);
/* The longest run of entries that lies in one piece of memory from `seq` on; for scans. *n is set.
 */
const struct snapshot_entry *snapshot_run(const struct snapshot *n, uint32_t seq, uint32_t *count);

/* What changed from `before` to `after` (same mailbox, same uid_validity). Pieces they share cost
 * nothing. Calls, in this order: gone (from the highest number down, `seq` as in `before`), then
 * changed (flags or modseq differ, `seq` as in `after`), then added (the first new number and how
 * many). Any function may be NULL. */
struct snapshot_diff {
    void (*gone)(void *arg, uint32_t seq, uint32_t uid);
    void (*changed)(void *arg, uint32_t seq, const struct snapshot_entry *e, uint64_t old_flags);
    void (*added)(void *arg, uint32_t first_seq, uint32_t count);
    void *arg;
};
void snapshot_compare(const struct snapshot *before, const struct snapshot *after,
                      const struct snapshot_diff *d);

/* --- Watching --- */

struct store_watch;
/* Wakes `w` (waker_wake) at each commit that changes that mailbox, or anything in the account with
 * mailbox 0. Takes its own reference to the waker. Cheap: thousands are normal. */
must_use enum error store_watch(struct store *s, uint64_t account, uint32_t mailbox,
                                struct waker *w, struct store_watch **out);
void store_unwatch(struct store_watch *watch);

/* --- Reading messages --- */

struct uid_range {
    uint32_t first, last; /* inclusive, first <= last */
};

enum store_field {
    FIELD_ENVELOPE = 1,
    FIELD_STRUCTURE = 2,
    FIELD_DATES = 4,  /* internal_date, save_date, sent */
    FIELD_IDS = 8,    /* email_id, thread_id */
    FIELD_TEXTS = 16, /* subject, from, preview, message_id, in_reply_to, references */
    FIELD_SHAPE = 32, /* header_size, lines, has_attachment */
};

/* One message's index row. Slices are valid during the callback. Only asked fields are filled. */
struct store_row {
    uint32_t uid;
    uint64_t email_id; /* same for copies of one message in an account; EMAILID is made of it */
    uint64_t thread_id;
    int64_t internal_date, save_date, sent; /* seconds */
    int16_t internal_zone;                  /* minutes east, of the internal date */
    uint32_t size, header_size, lines;
    bool has_attachment;
    struct slice envelope, structure, message_id, in_reply_to, references, subject, from, preview;
};

/* Calls row(arg) for each existing message in the ranges (ascending, disjoint), in ascending uid
 * order; ends early when it returns false. The callback may block (write to the network): no lock
 * and no database transaction is held meanwhile. `fields` is a set of enum store_field. */
must_use enum error store_read(struct store *s, uint64_t account, uint32_t mailbox,
                               const struct uid_range *ranges, size_t n, unsigned fields,
                               bool (*row)(void *arg, const struct store_row *r), void *arg);

/* A message's raw bytes, CRLF lines, as they came. Read-only, freed with store_body_free. */
struct store_body {
    struct slice raw;
    void *owner;
};
must_use enum error store_body(struct store *s, uint64_t account, uint32_t mailbox, uint32_t uid,
                               struct store_body *out);
void store_body_free(struct store_body *b);

/* uids expunged from the mailbox after modseq `since`, ascending and merged into ranges in `a`
 * (QRESYNC VANISHED). ERR_AGAIN when the log does not reach back that far: the caller then derives
 * what is gone from what the client says it knows. */
must_use enum error store_vanished(struct store *s, uint64_t account, uint32_t mailbox,
                                   uint64_t since, struct arena *a, struct uid_range **out,
                                   size_t *n);

/* --- Text search: the place of the full-text index --- */

enum text_field {
    TEXT_BODY,    /* all text parts, decoded */
    TEXT_ALL,     /* header and TEXT_BODY */
    TEXT_SUBJECT, /* decoded */
    TEXT_FROM,
    TEXT_TO,
    TEXT_CC,
    TEXT_BCC,
    TEXT_HEADER, /* the header named in `header`; an empty needle asks for presence */
};
struct text_query {
    enum text_field field;
    struct slice header;
    struct slice needle; /* UTF-8; brought to the search form inside */
};
/* For each query k and each uid j (ascending): sets hit[k * n_uids + j]. All queries are answered
 * in one pass, each body opened at most once. Case, diacritics and runs of blanks do not count
 * (utf8_search_form). uids that are gone get false. `again` is called between messages and ends the
 * search with ERR_CLOSED when it returns false; may be NULL. */
must_use enum error store_text_match(struct store *s, uint64_t account, uint32_t mailbox,
                                     const uint32_t *uids, size_t n_uids,
                                     const struct text_query *queries, size_t n_queries, bool *hit,
                                     bool (*again)(void *arg), void *arg);

/* --- Changing messages --- */

struct store_message {
    struct slice raw; /* CRLF lines; kept until the call returns */
    struct summary summary;
    int64_t internal_date;
    int16_t internal_zone;
    struct flag_list flags;
};

/* Adds messages to a mailbox in one transaction, all or none (MULTIAPPEND). quota: bytes the
 * account may use, 0 none. Fills uids[n] and *uid_validity. */
must_use enum error store_append(struct store *s, uint64_t account, uint32_t mailbox,
                                 const struct store_message *m, size_t n, uint64_t quota,
                                 uint32_t *uids, uint32_t *uid_validity);

enum flag_op { FLAGS_SET, FLAGS_ADD, FLAGS_REMOVE };
/* Changes flags of the messages in the ranges. Messages whose modseq is greater than
 * *unchanged_since (NULL: no condition) are left alone and returned in *modified (ranges in `a`).
 * Messages whose flags stay the same keep their modseq. Cut into short transactions
 * (LIMIT_TXN_ROWS). ERR_LIMIT when a new keyword finds no room in the table. */
must_use enum error store_flags(struct store *s, uint64_t account, uint32_t mailbox,
                                const struct uid_range *ranges, size_t n, enum flag_op op,
                                const struct flag_list *flags, const uint64_t *unchanged_since,
                                struct arena *a, struct uid_range **modified, size_t *n_modified);

/* Expunges messages in the ranges that have \Deleted (n 0: all that have it). They stay
 * recoverable. */
must_use enum error store_expunge(struct store *s, uint64_t account, uint32_t mailbox,
                                  const struct uid_range *ranges, size_t n);

/* Copies or moves within an account; each transaction of it is atomic: a moved message is in
 * exactly one of the two. The pairs (source uid, new uid) come back in `a`, ascending; on an error
 * in the middle of a long move, *n_pairs says what was done. Copies keep email_id, flags, keywords
 * and internal date, and share the body. */
struct uid_pair {
    uint32_t from, to;
};
must_use enum error store_copy(struct store *s, uint64_t account, uint32_t mailbox,
                               const struct uid_range *ranges, size_t n, uint32_t to_mailbox,
                               bool move, uint64_t quota, struct arena *a, struct uid_pair **pairs,
                               size_t *n_pairs, uint32_t *to_uid_validity);

/* Everything of the account: for `depesche account remove`. */
must_use enum error store_account_remove(struct store *s, uint64_t account);

/* --- Delivery and queue: one message to many, in one durable commit --- */

struct delivery_target {
    uint64_t account;
    struct slice language; /* for the default mailboxes of a new account */
    enum special_use use;  /* where to: USE_INBOX, USE_JUNK, ... */
    uint64_t quota;        /* 0: none */
    struct flag_list flags;
    struct slice prefix; /* header fields put in front of `raw` for this target (Return-Path,
                            Delivered-To); may be empty */
    /* filled */
    enum error result; /* OK, ERR_QUOTA, or the common error */
    uint32_t mailbox, uid;
};

enum queue_state {
    QUEUE_WAITING,
    QUEUE_HELD,      /* by the operator */
    QUEUE_BROKEN,    /* its row or message cannot be used: set aside */
    QUEUE_DELIVERED, /* from here on: finished */
    QUEUE_RETURNED,  /* given up; the sender was told where he may be */
    QUEUE_CANCELLED, /* by the operator */
};

struct queue_recipient {
    uint32_t number; /* in the entry, from 0 */
    struct slice address;
    struct slice orcpt; /* DSN ORCPT as received (xtext), empty when none */
    uint8_t notify;     /* DSN NOTIFY bits: 1 never, 2 success, 4 failure, 8 delay; 0 not given */
    enum queue_state state;
    uint32_t attempts;
    int64_t next_attempt;     /* wall seconds; of a finished one: when it finished */
    struct slice last_answer; /* of the last attempt, plain text */
    uint8_t told;             /* bit 1: a notice of delay was sent */
    struct slice trail;       /* what the last attempt met, in a form of the queue's own */
};

struct queue_entry {
    uint64_t id;
    uint64_t account;    /* the sender's account; 0: a forward or a report */
    struct slice sender; /* envelope sender, empty for <> */
    struct slice envid;  /* DSN ENVID (xtext) */
    uint8_t ret;         /* DSN RET: 0 not given, 1 headers, 2 full */
    bool require_tls;    /* REQUIRETLS (RFC 8689) */
    bool tls_optional;   /* TLS-Required: No (RFC 8689 4) */
    bool smtputf8, eight_bit;
    bool finished; /* read only: all its recipients are; its message is gone */
    int64_t created;
    uint64_t size;
    const struct queue_recipient *recipients;
    size_t n_recipients;
};

struct store_delivery {
    struct slice raw;       /* CRLF lines */
    struct summary summary; /* of raw, without any prefix; without targets nobody looks at it */
    int64_t received;
    int16_t zone;
    struct delivery_target *targets;
    size_t n_targets;
    const struct queue_entry *queue; /* what goes out; id, created and size are set by the store */
    size_t n_queue;
};

/* Delivers to all targets and accepts the queue entries. Targets of one shard and the queue (which
 * lives in the shard of the first target, or shard 0) are one commit. A target over quota fails
 * alone; any other error fails all that was not committed, and those have it as their result.
 * Returns OK when each target has OK or ERR_QUOTA. When targets lie in several shards and a later
 * one fails, the earlier are durable: their result says OK. */
must_use enum error store_deliver(struct store *s, struct store_delivery *d);

/* Entries in order of their ids, from after `after` on, also finished ones; slices valid during the
 * callback. One that cannot be read has its id and no recipients. */
must_use enum error store_queue_list(struct store *s, uint64_t after,
                                     bool (*entry)(void *arg, const struct queue_entry *e),
                                     void *arg);
must_use enum error store_queue_get(struct store *s, uint64_t id, struct arena *a,
                                    struct queue_entry *out);
must_use enum error store_queue_body(struct store *s, uint64_t id, struct store_body *out);

/* A recipient's new state, attempts, next_attempt, last_answer, told and trail; its address, orcpt
 * and notify stay as they are. */
struct queue_change {
    uint64_t entry;
    struct queue_recipient recipient;
    enum error result; /* filled: OK, ERR_NOTFOUND, or the common error */
};
/* Makes all changes, in one commit a shard (in several when there are more than LIMIT_TXN_ROWS);
 * those of one entry best stand together. A recipient that is finished stays as it is:
 * ERR_NOTFOUND. An entry whose recipients are all finished gives its message back at once
 * (store_queue_body() is ERR_NOTFOUND then), and its rows stay until store_queue_forget(). Returns
 * OK when no change met anything worse than ERR_NOTFOUND. */
must_use enum error store_queue_settle(struct store *s, struct queue_change *c, size_t n);
/* Removes the rows of entries that finished before `before` (wall seconds), and of the oldest
 * finished ones when they are more than about `keep` (counted by shards); at most `max` of them.
 * *n: how many. */
must_use enum error store_queue_forget(struct store *s, int64_t before, size_t keep, size_t max,
                                       size_t *n);

/* One recipient that is not finished, as a scheduler needs it: cheap to read by the hundred
 * thousand. */
struct queue_row {
    uint64_t entry, account;
    uint32_t number;
    enum queue_state state;
    uint32_t attempts;
    uint8_t notify, told;
    int64_t next_attempt, created;
    uint64_t size;
    struct slice sender, address;
};
/* Recipients of one entry come one after the other, those of a shard in one view of its index. What
 * cannot be understood has the state QUEUE_BROKEN; an entry without any recipient has one such row
 * without an address. Slices valid during the callback, which must not call the store. */
must_use enum error store_queue_scan(struct store *s,
                                     void (*row)(void *arg, const struct queue_row *r), void *arg);
/* Calls fn(arg, e, raw) for each entry accepted from now on, with its message, after its commit and
 * before its caller hears of it, on the committer's thread: short, and without calling the store.
 * One function a store; set it before deliveries begin. NULL ends it: no call is running when that
 * returns. */
void store_queue_watch(struct store *s,
                       void (*fn)(void *arg, const struct queue_entry *e, struct slice raw),
                       void *arg);

/* --- Care --- */

/* Checks every shard: database integrity, counters against rows, body references and checksums,
 * orphaned bodies. report(arg, line) for each finding; with `repair` mends what can be mended. *bad
 * counts what is (still) wrong. progress(arg, done, total) may be NULL. */
must_use enum error store_check(struct store *s, bool repair,
                                void (*report)(void *arg, const char *line),
                                void (*progress)(void *arg, uint64_t done, uint64_t total),
                                void *arg, unsigned *bad);

/* House-keeping, called about every minute: removes expunged messages past their days, checkpoints,
 * gives memory of unused accounts back. Short, but it waits for commits: best on a worker
 * (runtime_submit), not on the thread that keeps the timers. */
void store_tend(struct store *s);

#endif
