/* What a JMAP method is made of: its arguments in, its answer out.
 *
 * A method reads its arguments from a jansson object (duplicate keys and depth were refused
 * before), and writes the answer's object with the streaming writer. It writes nothing before all
 * it may be refused for is known, or calls jmap_fail(), which throws away what it wrote. */
#ifndef DEPESCHE_JMAP_METHOD_H
#define DEPESCHE_JMAP_METHOD_H

#include "base/json_read.h"
#include "base/json_write.h"
#include "jmap/jmap.h"

struct jmap_call {
    const struct jmap_service *service;
    const struct jmap_user *user;
    const char *name;        /* "Email/get" */
    json_t *args;            /* an object; back-references are resolved */
    struct json_writer *out; /* where the answer's arguments go: an object is begun by the method */
    struct arena *arena;     /* for this call, LIMIT_JMAP_ARENA */
    struct jmap_request *request;
    const char *failed; /* a method-level error's type (RFC 8620 3.6.2), or NULL */
    const char *detail; /* its description, or NULL; static or in the arena */
    int64_t until;      /* wall seconds: the error's "until", or 0 */
};

struct jmap_method {
    const char *name;
    const char *capability; /* that must be in `using` */
    void (*run)(struct jmap_call *c);
};
/* All methods (methods.h has the tables); NULL when there is none of that name. */
const struct jmap_method *jmap_method_find(struct slice name);

/* The answer is a method-level error: "invalidArguments", "stateMismatch", ... The first one
 * counts: later calls change nothing. */
void jmap_fail(struct jmap_call *c, const char *type, const char *detail);
/* ERR_AGAIN, ERR_CLOSED, ERR_TIMEOUT: serverUnavailable; ERR_FULL, ERR_IO and the rest: serverFail.
 */
void jmap_fail_error(struct jmap_call *c, enum error e);

/* --- Arguments; each fails the call with invalidArguments and returns false on a wrong type --- */

/* accountId: must be this user's (accountNotFound). Every method begins with it. */
bool jmap_account(struct jmap_call *c);
bool jmap_is_among(const char *const *list, const char *name); /* NULL-ended */
/* Refuses arguments that are not in the NULL-ended list. */
bool jmap_only(struct jmap_call *c, const char *const *known);
bool jmap_arg_bool(struct jmap_call *c, const char *name, bool *v); /* absent or null: unchanged */
bool jmap_arg_uint(struct jmap_call *c, const char *name, uint64_t *v);
bool jmap_arg_int(struct jmap_call *c, const char *name, int64_t *v);
bool jmap_arg_text(struct jmap_call *c, const char *name, struct slice *v);
/* maxChanges: an unsigned integer greater than 0. */
bool jmap_max_changes(struct jmap_call *c, uint64_t *most);
/* Fails with stateMismatch when ifInState is given and is not `state`. */
bool jmap_in_state(struct jmap_call *c, struct slice state);
struct slice jmap_string(const json_t *v); /* p is NULL when it is no string */
/* "2026-11-22T18:00:00Z" (UTCDate) to wall seconds; a fraction, as browsers write it, is cut off.
 */
bool jmap_utc_date(struct slice s, int64_t *out);

/* --- Ids --- */

/* A letter and a decimal number without leading zeros; ERR_INPUT for all else. */
must_use enum error jmap_id_parse(struct slice s, char letter, uint64_t *out);
enum { JMAP_ID_TEXT = 24 };
void jmap_id_print(char letter, uint64_t number, char out[JMAP_ID_TEXT]);
void jmap_id_write(struct json_writer *w, char letter, uint64_t number);
void jmap_id_key(struct json_writer *w, char letter, uint64_t number); /* as a member's name */
/* The begin of every answer: an object with accountId. */
void jmap_answer(struct jmap_call *c);
void jmap_account_id(const struct jmap_user *u, char out[JMAP_ID_TEXT]);
/* Creation ids of this request ("#k1"); the id an argument means: itself, or what was created under
 * that name in this request. p is NULL when there is none. */
struct slice jmap_id_resolve(struct jmap_call *c, struct slice id);
void jmap_created(struct jmap_call *c, struct slice creation_id, char letter, uint64_t number);
void jmap_created_id(struct jmap_call *c, struct slice creation_id, const char *id);

/* Appends all bytes of the blob that an argument names, by its id or creation id. ERR_NOTFOUND;
 * ERR_LIMIT: they are more than `out` takes. */
must_use enum error jmap_blob_bytes(struct jmap_call *c, struct slice id, struct buf *out);

/* --- Standard /get, /changes, /set (RFC 8620 5) --- */

struct jmap_ids {
    const struct slice *id; /* of `ids`, creation ids resolved; NULL: ids was null */
    size_t n;
};
/* ids of a /get, each once, at most LIMIT_JMAP_GET (requestTooLarge). */
bool jmap_get_ids(struct jmap_call *c, struct jmap_ids *out);
/* The properties asked as a bit mask over the NULL-ended table `names` (id is bit 0 and always
 * set); null: `all`. A name that is not in the table is invalidArguments. */
bool jmap_get_properties(struct jmap_call *c, const char *const *names, uint64_t all,
                         uint64_t *out);

/* Ids of a /get that were not found: an array, "notFound" with its key. */
void jmap_not_found(struct jmap_call *c, const struct slice *ids, size_t n);

/* A /set: ifInState is compared by the caller first (jmap_in_state). Calls create, update and
 * destroy for each object, in this order, and writes the whole answer with created, updated,
 * destroyed and their not… lists. At most LIMIT_JMAP_SET objects. A SetError is returned as its
 * type (NULL: done); `detail` and `properties` may be filled. A function may be NULL: "forbidden".
 * A create whose object refers to a creation id that is not there yet returns the type JMAP_LATER:
 * it is asked again when another object has been made, and is invalidProperties in the end. */
struct jmap_set_error {
    const char *type, *detail;      /* static, or in the call's arena */
    const char *const *properties;  /* NULL-ended, or NULL */
    struct slice existing;          /* existingId of "alreadyExists" (Email/import), or empty */
    struct slice not_found;         /* the id in notFound of "blobNotFound", or empty */
    struct slice invalid_recipient; /* of "invalidRecipients", or empty */
};
extern const char JMAP_LATER[];
extern const struct jmap_set_error JMAP_DONE; /* no error */
/* One without properties; both are static, or in the call's arena. */
struct jmap_set_error jmap_refused(const char *type, const char *detail);
/* invalidProperties of one property, whose name lives as long as the call. */
struct jmap_set_error jmap_bad_property(struct jmap_call *c, const char *property,
                                        const char *detail);
/* A property that is a string of at most `most` bytes, or null, which is the empty one. *out lives
 * as long as `v`. */
struct jmap_set_error jmap_read_text(struct jmap_call *c, const char *property, const json_t *v,
                                     size_t most, struct slice *out);
/* What became of a change: JMAP_DONE, notFound, overQuota, forbidden, rateLimit (not just now), or
 * (logged) serverFail. */
struct jmap_set_error jmap_set_result(struct jmap_call *c, enum error e);
struct jmap_set {
    /* Writes the members of the created object that the client does not know (id too). */
    struct jmap_set_error (*create)(struct jmap_call *c, struct slice creation_id, json_t *object,
                                    struct json_writer *created);
    struct jmap_set_error (*update)(struct jmap_call *c, struct slice id, json_t *patch);
    struct jmap_set_error (*destroy)(struct jmap_call *c, struct slice id);
    void (*state)(struct jmap_call *c, struct json_writer *w); /* writes newState as a string */
};
void jmap_set_run(struct jmap_call *c, const struct jmap_set *s, struct slice old_state);
/* The same for types whose state is that of the view: ifInState and newState are seen to here,
 * s->state is not used. */
void jmap_set_run_view(struct jmap_call *c, const struct jmap_set *s);
/* Applies a PatchObject (RFC 8620 5.3) to an object that has all its properties; a top-level null
 * removes the member, which then has its default. False: invalidPatch. */
must_use bool jmap_patch_apply(json_t *object, json_t *patch);
/* The steps of a patch's path for those who apply it themselves: takes the next one off *path,
 * unescaped (~0, ~1) in the arena; false at the end. */
bool jmap_patch_step(struct arena *a, struct slice *path, struct slice *step);

/* --- Writing --- */

/* A place in the answer to come back to. */
struct jmap_mark {
    struct json_writer writer;
    size_t n;
    bool failed;
};
struct jmap_mark jmap_mark(const struct json_writer *w);
void jmap_rewind(struct json_writer *w, const struct jmap_mark *m);
/* A value as it came. */
void jmap_write_json(struct json_writer *w, const json_t *value);
/* Parses text whose size is bounded by the caller: no duplicate keys, at most LIMIT_JMAP_DEPTH deep
 * and LIMIT_JMAP_VALUES values. ERR_LIMIT, ERR_INPUT. Free with json_decref(). */
must_use enum error jmap_json_parse(struct slice text, json_t **out);

/* --- States --- */

enum { JMAP_STATE_TEXT = 64 };
void jmap_state_print(const struct view_state *s, char out[JMAP_STATE_TEXT]);
void jmap_state_write(struct json_writer *w, const struct view_state *s);
/* sinceState of a /changes or sinceQueryState; fails with cannotCalculateChanges when it is none,
 * or not one that `now` can have grown from. */
bool jmap_since(struct jmap_call *c, const char *name, const struct view_state *now,
                struct view_state *out);

/* The call's view of the account, read once and again after a change (jmap_view_again). Owned by
 * the request. NULL after jmap_fail_error(). */
struct view *jmap_view(struct jmap_call *c);
void jmap_view_again(struct jmap_call *c);

/* Runs another method's call after this one (onSuccessUpdateEmail, Email/copy): its answer follows
 * with the same call id, if this one does not fail. Takes `args`. */
void jmap_run_implicit(struct jmap_call *c, const char *name, json_t *args);

#endif
