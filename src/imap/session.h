/* An IMAP session: what is known between two commands, and the table of commands.
 *
 * A command is handled in two steps. `parse` makes arguments of bytes and knows nothing of the
 * session (so it is fuzzed alone); `run` does the work, writes untagged responses, and sets the
 * tagged answer with imap_ok(), imap_no() or imap_bad() (respond.h) -- it does not write it: the
 * frame brings the selected mailbox up to date (sync.h) between the two.
 *
 * A session runs on one worker at a time and needs no lock. While parked it holds no arena block
 * and no buffer. */
#ifndef DEPESCHE_IMAP_SESSION_H
#define DEPESCHE_IMAP_SESSION_H

#include "auth/sasl.h"
#include "imap/imap.h"
#include "imap/imap_parse.h"
#include "imap/literal_pool.h"
#include "imap/reader.h"

/* States, RFC 9051 section 3; a set of them where a command says when it is allowed. */
enum imap_state {
    IMAP_NOT_AUTHENTICATED = 1,
    IMAP_AUTHENTICATED = 2,
    IMAP_SELECTED = 4,
};
#define IMAP_LOGGED_IN (IMAP_AUTHENTICATED | IMAP_SELECTED)
#define IMAP_ANY       (IMAP_NOT_AUTHENTICATED | IMAP_LOGGED_IN)

/* What the client asked for, by ENABLE or by using it. */
enum imap_enabled {
    IMAP_CONDSTORE = 1,
    IMAP_QRESYNC = 2, /* implies IMAP_CONDSTORE */
    IMAP_UTF8 = 4,
    IMAP_REV2 = 8,
};

/* What the next bytes of the connection are. */
enum imap_mode {
    IMAP_COMMANDS,
    IMAP_SASL, /* a line for the SASL exchange */
    IMAP_IDLE, /* IDLE until DONE */
};

enum imap_status { IMAP_NO_REPLY, IMAP_OK, IMAP_NO, IMAP_BAD };

struct imap_session {
    const struct imap_service *service;
    struct conn *conn;
    struct arena arena; /* of one command: LIMIT_IMAP_ARENA */
    struct reader reader;
    struct literal_hold held; /* of the memory for all sessions' literals */

    enum imap_state state;
    enum imap_mode mode;
    unsigned enabled; /* set of enum imap_enabled */
    unsigned errors;
    bool closing;      /* close after this command */
    bool secret;       /* what the reader holds may be a password: wipe it */
    bool starting_tls; /* STARTTLS was answered OK */
    struct ip peer;    /* the client's: behind a trusted webmail, as told by ID */

    /* Since login. */
    uint64_t account;
    char *address;  /* the account's, for log lines; NULL before */
    uint64_t quota; /* as last read */
    struct login_session *login;
    struct waker *waker;
    struct sasl *sasl; /* during AUTHENTICATE */
    char *pending_tag; /* of AUTHENTICATE or IDLE */

    /* The selected mailbox; all 0 and NULL when there is none. */
    uint32_t mailbox;
    uint32_t uid_validity;
    bool read_only; /* EXAMINE */
    /* The message numbers that the client knows. Changes only in imap_sync(). */
    struct snapshot *snapshot;
    /* The newest one, where it may not be told yet because messages are gone; else NULL. */
    struct snapshot *fresh;
    size_t keywords_told;                 /* of FLAGS */
    const struct keyword_table *keywords; /* may be older than the account's; see imap_keywords() */
    struct store_watch *watch;            /* during IDLE */
    /* SEARCHRES: uids, normalised. */
    struct uid_range *saved;
    size_t n_saved;

    /* Of the command that runs. */
    struct slice tag;
    bool uid; /* it came with the UID prefix */
    /* Messages whose present flags this command has told (or was asked not to tell): sync leaves
     * them out. Normalised, in the arena. */
    const struct uid_range *told;
    size_t n_told;
    bool removes; /* EXPUNGE, MOVE: the tagged OK tells HIGHESTMODSEQ (RFC 7162 3.2.7, 3.2.9) */
    struct {
        enum imap_status status;
        struct slice code; /* without brackets; may be empty */
        struct slice text;
    } reply;
};

/* --- Commands --- */

enum imap_command_flags {
    IMAP_CMD_UID = 1,      /* UID <name> exists as well */
    IMAP_CMD_UID_ONLY = 2, /* only UID <name> is meant by this entry */
    /* Takes message numbers: unless it came with UID, no EXPUNGE may be told before it runs. */
    IMAP_CMD_NUMBERS = 4,
    /* Nor after it, before its tagged answer: FETCH, STORE, SEARCH (RFC 9051 7.5.1). */
    IMAP_CMD_HOLD_EXPUNGE = 8,
    IMAP_CMD_WRITES = 16, /* refused with NO [READ-ONLY] after EXAMINE */
};

struct imap_command {
    const char *name; /* upper case */
    unsigned states;  /* set of enum imap_state */
    unsigned flags;   /* set of enum imap_command_flags */
    /* From after the command name (a leading SP is not taken yet; none for a command without
     * arguments) to the end: the function calls lex_end(). NULL: takes no arguments. *args is made
     * in l->arena. l->uid says which variant. On an error the frame answers BAD with l->why. */
    enum error (*parse)(struct imap_lexer *l, void **args);
    void (*run)(struct imap_session *s, void *args);
};

struct imap_command_table {
    const struct imap_command *command;
    size_t n;
};

/* One for each file of commands; command.c joins them. */
extern const struct imap_command_table imap_session_commands; /* login.c */
extern const struct imap_command_table imap_select_commands;  /* select.c */
extern const struct imap_command_table imap_mailbox_commands; /* mailbox.c, list.c, status.c */
extern const struct imap_command_table imap_list_commands;
extern const struct imap_command_table imap_status_commands;
extern const struct imap_command_table imap_idle_commands;
extern const struct imap_command_table imap_quota_commands;
extern const struct imap_command_table imap_fetch_commands;  /* fetch.c: FETCH */
extern const struct imap_command_table imap_store_commands;  /* store.c: STORE */
extern const struct imap_command_table imap_search_commands; /* search.c: SEARCH */
extern const struct imap_command_table imap_append_commands; /* append.c: APPEND */
extern const struct imap_command_table imap_copy_commands;   /* copy.c: COPY MOVE EXPUNGE */

/* NULL when there is no such command (name in any case). */
const struct imap_command *imap_command_find(struct slice name, bool uid);
/* Parses tag, UID, name and arguments of a whole command. *command may be set although an error is
 * returned. l is initialised by the caller (lex_init, then utf8). */
must_use enum error imap_command_parse(struct imap_lexer *l, struct slice *tag,
                                       const struct imap_command **command, void **args);

/* --- For the bodies of commands --- */

static inline bool imap_has(const struct imap_session *s, enum imap_enabled e)
{
    return (s->enabled & e) != 0;
}
/* Mailbox names go out and come in as UTF-8. */
static inline bool imap_utf8_names(const struct imap_session *s)
{
    return (s->enabled & (IMAP_UTF8 | IMAP_REV2)) != 0;
}

/* A command that uses mod-sequences ran: from now on FETCH responses carry MODSEQ (RFC 7162 3.1).
 * Writes "* OK [HIGHESTMODSEQ n]" the first time when a mailbox is selected. Call it before other
 * untagged responses are written. */
void imap_use_condstore(struct imap_session *s);

/* What a set means now: existing and already told messages, as ascending, disjoint uid ranges in
 * the arena (between two members of a range no untold uid stands). `uid`: the set holds uids;
 * otherwise message numbers, and ERR_INPUT when one is greater than the number of messages (answer
 * BAD). "a:*" with a over the end means the last message. ERR_LIMIT at the arena's cap. */
must_use enum error imap_resolve(struct imap_session *s, const struct imap_set *set, bool uid,
                                 struct uid_range **out, size_t *n);

/* The newest that is known of message number `seq`: flags and modseq may be newer than in
 * s->snapshot. Valid until the next imap_sync(). */
const struct snapshot_entry *imap_entry(const struct imap_session *s, uint32_t seq);
/* Takes over what the store has now without telling anything: after the command changed flags and
 * before it writes them with imap_entry(). Only while message numbers stay (s->fresh is filled). */
must_use enum error imap_refresh(struct imap_session *s);

struct range_list;
/* All uids over `after` that were given and have no message: what can be said without the log of
 * expunges. Appended to `out`. */
void imap_missing_uids(const struct imap_session *s, uint32_t after, struct range_list *out);

/* Keeps a copy for "$". */
void imap_save_result(struct imap_session *s, const struct uid_range *r, size_t n);

/* The account's keyword names, the newest; lives until the next call. NULL when the store fails. */
const struct keyword_table *imap_keywords(struct imap_session *s);
/* Writes "* FLAGS (...)" and PERMANENTFLAGS. */
void imap_tell_flags(struct imap_session *s);
/* imap_tell_flags() when there are keywords that the client does not know.
 * Not in the middle of a response. */
void imap_tell_keywords(struct imap_session *s);

/* The account's quota in bytes, 0: none. Read from the directory, so that a change counts at once;
 * the last one known when that fails. */
uint64_t imap_quota(struct imap_session *s);
uint64_t imap_message_size(const struct imap_session *s);

/* Leaves the selected mailbox without expunging: state becomes AUTHENTICATED. */
void imap_unselect(struct imap_session *s);

#endif
