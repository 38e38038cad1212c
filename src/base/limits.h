/* Every limit has its name here. Those the operator may change are defaults of the configuration
 * (config/setting.c names the setting); the others are fixed. Bytes unless the name says otherwise;
 * times end in _MS or _SECONDS. */
#ifndef DEPESCHE_BASE_LIMITS_H
#define DEPESCHE_BASE_LIMITS_H

/* Runtime */
#define LIMIT_WORKERS_PER_LISTENER 500
#define LIMIT_WORKER_STACK         262144
#define LIMIT_WORKER_IDLE_MS       10000
#define LIMIT_CONNECTIONS          20000 /* a listener; configuration */
#define LIMIT_CONNECTIONS_ADDRESS  50    /* an address and listener, IPv6 by /64; configuration */
#define LIMIT_HANDSHAKE_MS         30000
#define LIMIT_WRITE_MS             60000 /* for a LIMIT_WRITE_CHUNK to a peer that reads slowly */
#define LIMIT_INPUT_BUFFER         65536
#define LIMIT_READ_CHUNK           16384  /* one read; what a TLS record holds */
#define LIMIT_WRITE_CHUNK          16384  /* one write; what a TLS record holds */
#define LIMIT_UNSENT               262144 /* held by the kernel for a peer that conn_send() serves */
#define LIMIT_READ_ROUNDS          64    /* reads in a row before others that wait get their turn */
#define LIMIT_WORKERS_REST         2     /* kept when nothing happens */
#define LIMIT_WORKERS_BURST        32    /* started at once when all others are blocked */
#define LIMIT_WORKER_WATCH_MS      2     /* how often the keeper looks while workers are short */
#define LIMIT_ACCEPT_PAUSE_MS      100   /* without descriptors or memory */
#define LIMIT_ACCEPT_QUIET_MS      60000 /* between two log lines about that */
#define LIMIT_SLOTS                1048576 /* connections of one runtime, all listeners */
#define LIMIT_TLS_IDENTITIES       1000
#define LIMIT_TLS_NAMES            20000 /* of all identities */
#define LIMIT_TLS_TICKET_SECONDS   86400

/* Messages */
#define LIMIT_MESSAGE_SIZE        (50 * 1024 * 1024) /* configuration */
#define LIMIT_HEADER_SIZE         (256 * 1024) /* all header fields of one part that are read */
#define LIMIT_HEADER_FIELDS       2000
#define LIMIT_MIME_DEPTH          100 /* as Dovecot's */
#define LIMIT_MIME_PARTS          2000
#define LIMIT_ADDRESSES           2000 /* addresses read from one header field */
#define LIMIT_MIME_PARAMETERS     64
#define LIMIT_MIME_FIELDS         (512 * 1024) /* Content-* fields of all parts that are read */
#define LIMIT_MIME_ALL_PARAMETERS 16000        /* of all parts */
#define LIMIT_MESSAGE_ID          998
#define LIMIT_LINE_TEXT           998 /* of a line that leaves, RFC 5322 2.1.1 */
#define LIMIT_SUMMARY_ARENA                                                                        \
    (8 * 1024 * 1024) /* with this cap parsing and summing up never fails                          \
                       */
#define LIMIT_ENVELOPE_TEXT  (64 * 1024)
#define LIMIT_STRUCTURE_TEXT (512 * 1024)
#define LIMIT_PREVIEW        256         /* bytes of UTF-8 */
#define LIMIT_PREVIEW_SOURCE (64 * 1024) /* bytes of a body that a preview is made of */
#define LIMIT_SUBJECT        2000        /* bytes that the base subject is made of */
#define LIMIT_REFERENCES     100

/* SMTP */
#define LIMIT_SMTP_LINE         2048 /* a command line; RFC 5321 4.5.3.1.4 with room for extensions */
#define LIMIT_SMTP_TEXT_LINE    (1024 * 1024) /* a line of message text; longer ones are refused */
#define LIMIT_SMTP_RECIPIENTS   1000          /* configuration */
#define LIMIT_SMTP_ERRORS       10
#define LIMIT_SMTP_COMMANDS     1000 /* commands without a mail transaction between them */
#define LIMIT_SMTP_TRANSACTIONS 1000
#define LIMIT_SMTP_COMMAND_MS   300000
#define LIMIT_SMTP_DATA_MS      180000 /* between two pieces of a message */
#define LIMIT_SMTP_SESSION_MS   (60 * 60 * 1000)
#define LIMIT_RECEIVED_FIELDS   50    /* more of them are a loop */
#define LIMIT_SMTP_REFUSED      50    /* refused recipients of a connection */
#define LIMIT_SMTP_PREAUTH_MS   60000 /* submission: between commands before the login */
#define LIMIT_SMTP_ENVID        100   /* RFC 3461 4.4 */
#define LIMIT_SMTP_ORCPT        500   /* RFC 3461 4.2 */
#define LIMIT_SMTP_ARENA        (4 * 1024 * 1024)  /* sender and recipients of a transaction */
#define LIMIT_SMTP_DISCARD      (64 * 1024 * 1024) /* read and thrown away of a refused message */
#define LIMIT_SMTP_IN_FLIGHT                                                                       \
    (512 * 1024 * 1024) /* all messages of a process that are arriving now */
/* What messages of more than LIMIT_SMTP_LIGHT leave free of it for the others: one address has not
 * enough connections to keep everybody's small mail out by sending slowly. */
#define LIMIT_SMTP_LIGHT_ROOM (128 * 1024 * 1024)
#define LIMIT_SMTP_LIGHT      (1024 * 1024)
/* What one address (IPv6: a /64) has of it for messages of more than LIMIT_SMTP_LIGHT. */
#define LIMIT_SMTP_ADDRESS_SHARE (LIMIT_SMTP_IN_FLIGHT / 4)
#define LIMIT_SMTP_SUBMIT_SMALL  (128 * 1024) /* a submitted message up to this needs no memfd */
#define LIMIT_SMTP_FRONT_ROOM    4096         /* kept free in front of a submitted message */
#define LIMIT_SMTP_COMPOSE_ARENA (4 * 1024 * 1024)
#define LIMIT_SMTP_TRACE         8192 /* a Received field */

/* IMAP */
#define LIMIT_IMAP_LINE    (64 * 1024)   /* a command without its literals */
#define LIMIT_IMAP_SKIPPED (1024 * 1024) /* of a longer line: so much counts as an error */
#define LIMIT_IMAP_TAG     256
#define LIMIT_IMAP_COMMAND (1024 * 1024) /* all literals of a command that is not APPEND */
#define LIMIT_IMAP_LITERAL_PLUS                                                                    \
    4096 /* non-synchronising literal without APPEND, RFC 7888 LITERAL- */
#define LIMIT_IMAP_NESTING     50
#define LIMIT_IMAP_SEARCH_KEYS 1000
#define LIMIT_IMAP_SET_RANGES  50000
#define LIMIT_IMAP_ERRORS      20
#define LIMIT_IMAP_APPENDS     200 /* messages of one MULTIAPPEND */
#define LIMIT_IMAP_PREAUTH_MS  60000
#define LIMIT_IMAP_IDLE_MS     (31 * 60 * 1000) /* RFC 9051 5.4: at least 30 minutes */
#define LIMIT_IMAP_ARENA       (4 * 1024 * 1024)
#define LIMIT_IMAP_LITERALS    1000 /* of one command */
/* All literals of one APPEND; at least one message of the greatest size is always taken. */
#define LIMIT_IMAP_APPEND_BYTES (256 * 1024 * 1024)
/* All literals that all sessions of the process hold or wait for; one message fits always. */
#define LIMIT_IMAP_LITERAL_MEMORY (UINT64_C(1024) * 1024 * 1024)
/* ... and all sessions of one account. */
#define LIMIT_IMAP_ACCOUNT_MEMORY (LIMIT_IMAP_LITERAL_MEMORY / 4)
/* What commands with more than LIMIT_IMAP_LIGHT of them leave free of it for the others. */
#define LIMIT_IMAP_LIGHT_MEMORY     (UINT64_C(256) * 1024 * 1024)
#define LIMIT_IMAP_LIGHT            (UINT64_C(1024) * 1024)
#define LIMIT_IMAP_PREAUTH_LITERALS 4096 /* all literals of a command before login */
#define LIMIT_IMAP_SASL_LINE        4096
#define LIMIT_IMAP_PIECE_MS         300000 /* between two pieces of one command */
#define LIMIT_IMAP_LIST_PATTERNS    20
#define LIMIT_IMAP_FETCH_ITEMS      200
#define LIMIT_IMAP_HEADER_NAMES     256 /* of one HEADER.FIELDS */
#define LIMIT_IMAP_SECTION_DEPTH    LIMIT_MIME_DEPTH
#define LIMIT_IMAP_TREE_ARENA       (16 * 1024 * 1024) /* MIME structure of one message */
#define LIMIT_IMAP_APPEND_ARENA     (64 * 1024 * 1024) /* summaries of one APPEND's messages */
#define LIMIT_IMAP_COPY_ARENA       (64 * 1024 * 1024) /* pairs of uids of one COPY or MOVE */
#define LIMIT_IMAP_SEARCH_ROWS      16384 /* messages whose texts are searched at once */
#define LIMIT_IMAP_SEARCH_LOOK_MS   1000  /* ... and looks this often whether the client is there */
#define LIMIT_IMAP_SEARCH_TELL_MS                                                                  \
    10000 /* a long search says so this often, and sees who is gone                                \
           */
#define LIMIT_IMAP_MODIFIED_TEXT (256 * 1024) /* of a response code: MODIFIED, COPYUID */

/* Store */
#define LIMIT_MAILBOXES       10000 /* an account */
#define LIMIT_MAILBOX_NAME    1024  /* bytes of UTF-8, whole path */
#define LIMIT_MAILBOX_LEVELS  50
#define LIMIT_KEYWORDS        59 /* an account; a message's flags are one 64-bit word */
#define LIMIT_KEYWORD_NAME    64
#define LIMIT_SEGMENT_SIZE    (128ul * 1024 * 1024)
#define LIMIT_GROUP_MESSAGES  512 /* changes in one commit */
#define LIMIT_GROUP_BYTES     (64ul * 1024 * 1024)
#define LIMIT_TXN_ROWS        2000  /* rows a long change touches in one transaction */
#define LIMIT_SCAN_ROWS       20000 /* rows it looks at in one transaction */
#define LIMIT_SMALL_BODY      4000  /* records up to this are kept in the index, not in the log */
#define LIMIT_META            (2ul * 1024 * 1024) /* a message's row for listings */
#define LIMIT_STORE_READERS   16                  /* index connections for reading, a shard */
#define LIMIT_READER_IDLE_MS  30000
#define LIMIT_READ_BATCH      (256ul * 1024) /* rows copied out at a time */
#define LIMIT_ACCOUNT_IDLE_MS 300000         /* an account's state stays in memory unused */
#define LIMIT_BODY_CACHE      (64ul * 1024 * 1024)
#define LIMIT_BODY_CACHE_MIN  (64ul * 1024) /* smaller bodies are quick to open again */
#define LIMIT_BODY_CACHE_MS   60000
#define LIMIT_SHARDS          64

/* Directory and guard */
#define LIMIT_PASSWORD            256
#define LIMIT_PASSWORD_MIN        8
#define LIMIT_ADDRESS             320 /* RFC 5321: 64 + @ + 255 */
#define LIMIT_LOCAL_PART          64
#define LIMIT_DOMAIN              255
#define LIMIT_ALIAS_DEPTH         10
#define LIMIT_ALIAS_TARGETS       500
#define LIMIT_PARALLEL_HASHES     2
#define LIMIT_HASH_MEMORY         (32UL * 1024 * 1024) /* Argon2id: of one hash */
#define LIMIT_HASH_PASSES         3
#define LIMIT_HASH_WAIT_MS        10000
#define LIMIT_CRYPT_ROUNDS        5000000 /* of a SHA-crypt hash that is taken over */
#define LIMIT_CRYPT_COST          16      /* of a bcrypt hash that is taken over */
#define LIMIT_ALIAS_LOOKUPS       2000    /* addresses looked at for one recipient */
#define LIMIT_RESOLVED            1024    /* addresses whose targets are remembered */
#define LIMIT_RESOLVED_TARGETS    8       /* more are not remembered */
#define LIMIT_RESOLVED_MS         5000
#define LIMIT_ACCOUNT_NAME        255
#define LIMIT_LOGIN_CACHE         10000
#define LIMIT_LOGIN_CACHE_SECONDS 1800 /* longer than the pause between two looks of a phone */
#define LIMIT_GUARD_ADDRESSES     200000
#define LIMIT_GUARD_ATTEMPTS      500000 /* rows of all addresses */
#define LIMIT_GUARD_WHY           1000   /* rows of one address */
#define LIMIT_GUARD_TOLERATED     1000   /* the highest setting */
#define LIMIT_GUARD_CLOSINGS      100    /* the highest setting */
#define LIMIT_SENDING_ACCOUNTS    10000  /* whose counts are in memory; all are in the database */
#define LIMIT_SENDING_PENDING     100000 /* recipients not yet written to the database */
#define LIMIT_SENDING_FLUSH_MS    500

/* Hand-over between edge and mail */
#define LIMIT_HANDOVER_RECORD     131072
#define LIMIT_HANDOVER_WAITING    2000
#define LIMIT_HANDOVER_MS         60000
#define LIMIT_HANDOVER_THREADS    64
#define LIMIT_HANDOVER_IDLE       16 /* threads that wait for the next request */
#define LIMIT_HANDOVER_ENVELOPE   (16 * 1024 * 1024)
#define LIMIT_HANDOVER_MESSAGE    (1024 * 1024 * 1024)
#define LIMIT_HANDOVER_COPY       (64 * 1024) /* up to here a message is copied, not mapped */
#define LIMIT_HANDOVER_SMALL      (32 * 1024) /* up to here it needs no memfd at all */
#define LIMIT_HANDOVER_RECIPIENTS 20000       /* of one message */
#define LIMIT_HANDOVER_BANS       1000000

/* Sending */
#define LIMIT_RELAY_SMALL          (96 * 1024) /* up to here a message needs no memfd */
#define LIMIT_RELAY_RECIPIENTS     100         /* of one transaction with another server */
#define LIMIT_RELAY_TRIES          16
#define LIMIT_RELAY_EVENTS         32
#define LIMIT_RELAY_ANSWER         1000             /* bytes kept of a reply's text */
#define LIMIT_RELAY_WAITING        4000             /* messages that are at edge */
#define LIMIT_RELAY_MS             (90 * 60 * 1000) /* of one relay, hosts and recipients together */
#define LIMIT_RELAY_SEND_MS        5000             /* until edge takes a request off its socket */
#define LIMIT_RELAY_BYTES          (1024 * 1024)    /* a request, result or trail as bytes */
#define LIMIT_RELAY_ARENA          (64 * 1024)      /* the arrays of one of them */
#define LIMIT_RELAY_URL            2048
#define LIMIT_RELAY_LOGIN          1024        /* a login, or its password */
#define LIMIT_RELAY_MX_NAMES       (16 * 1024) /* all patterns of a request */
#define LIMIT_RELAY_DETAIL         500         /* bytes kept of a line for engineers */
#define LIMIT_RELAY_POLICY_TEXT    8192        /* bytes kept of a policy for a TLS report */
#define LIMIT_HEALTH_TEXT          500
#define LIMIT_STS_ID               32 /* RFC 8461 3.1 */
#define LIMIT_RATCHET_TLS_SECONDS  (30 * 24 * 3600)
#define LIMIT_STS_POLICY           (64 * 1024) /* RFC 8461 3.3 */
#define LIMIT_STS_MX               64          /* patterns of one policy */
#define LIMIT_STS_MAX_AGE          31557600    /* seconds, RFC 8461 3.2 */
#define LIMIT_STS_FETCH_MS         30000
#define LIMIT_STS_AGAIN_MS         300000 /* after a fetch that failed, RFC 8461 3.3 */
#define LIMIT_STS_REFRESH          86400  /* seconds, RFC 8461 10.2 */
#define LIMIT_TLSRPT_RUA           2048
#define LIMIT_OUTBOUND_CONNECTIONS 100
#define LIMIT_OUTBOUND_STACK       (512 * 1024) /* a TLS handshake and an HTTPS fetch fit */
#define LIMIT_OUTBOUND_MS          4800000      /* of one message, well within LIMIT_RELAY_MS */
#define LIMIT_OUTBOUND_PLAN_MS     30000
#define LIMIT_OUTBOUND_STOP_MS     1000              /* until threads that should end are cut off */
#define LIMIT_OUTBOUND_IDLE_MS     10000             /* a thread without work */
#define LIMIT_OUTBOUND_HOSTS       5                 /* connected for one message */
#define LIMIT_OUTBOUND_ARENA       (4 * 1024 * 1024) /* look-ups and results of one message */
#define LIMIT_OUTBOUND_KEPT        200
#define LIMIT_OUTBOUND_KEPT_ALIKE  10   /* to one destination */
#define LIMIT_OUTBOUND_KEEP_MS     5000 /* unused */
#define LIMIT_REPEAT_RESULTS       1024 /* told to `mail` last, or left behind by a former one */
#define LIMIT_REPEAT_BYTES         (4 * 1024 * 1024)
#define LIMIT_REPEAT_MS            3600000 /* a long queue asks in any order */
#define LIMIT_DNS_MS               10000   /* one look-up */
#define LIMIT_DNS_RECORDS          100     /* of one answer */
#define LIMIT_DNS_NAME             253     /* as text without the last dot, RFC 1035 2.3.4 */
#define LIMIT_DNS_ANCHOR           65536   /* the file of trust anchors */
#define LIMIT_DNS_PROOF_TEXT       1000
#define LIMIT_DIAL_NEXT_MS         2000 /* until the next address is tried beside */
#define LIMIT_DIAL_CONNECT_MS      30000
#define LIMIT_DIAL_BUFFER          8192          /* a line */
#define LIMIT_DIAL_GATHER          (1024 * 1024) /* written, and not yet taken */
#define LIMIT_DIAL_PIECE           (64 * 1024)   /* gathered before it is sent */
#define LIMIT_DIAL_ADDRESSES       32            /* of one host that are tried */
#define LIMIT_TLS_CHAIN            (100 * 1024)  /* the certificates another server sends */
#define LIMIT_TLS_CHAIN_DEPTH      10
#define LIMIT_HTTPS_URL            2000
#define LIMIT_HTTPS_HEADER         (64 * 1024)  /* of an answer */
#define LIMIT_HTTPS_ARENA          (256 * 1024) /* the addresses of a web server */
#define LIMIT_CLIENT_COMMAND_MS    300000       /* greeting and each command, RFC 5321 4.5.3.2 */
#define LIMIT_CLIENT_DATA_MS       120000       /* DATA until 354 */
#define LIMIT_CLIENT_BLOCK_MS      180000       /* a LIMIT_DIAL_PIECE of the message */
#define LIMIT_CLIENT_END_MS        600000       /* the end of the message until its answer */
#define LIMIT_CLIENT_SESSION_MS    3600000      /* whatever is done in it */
#define LIMIT_CLIENT_LAST_WORD_MS  1000         /* for the reply of a server that stopped reading */
#define LIMIT_CLIENT_QUIT_MS       1000
#define LIMIT_CLIENT_LINE          4096 /* of a reply */
#define LIMIT_CLIENT_COMMAND       512  /* a command with AUTH's response, RFC 4954 4 */
#define LIMIT_CLIENT_TRANSACTIONS  100

#define LIMIT_REPORT_FULL            (64 * 1024) /* messages up to this are given back whole */
#define LIMIT_SRS_DAYS               21
#define LIMIT_SRS_LOCAL              192 /* many servers take more than the 64 of RFC 5321 */
#define LIMIT_DKIM_RSA_BITS          2048
#define LIMIT_DKIM_RSA_BITS_MOST     4096
#define LIMIT_DKIM_SELECTOR          63   /* a DNS label */
#define LIMIT_DKIM_PEM               8192 /* a private key's text */
#define LIMIT_DKIM_SAME              20   /* fields of one name that are signed, from the last */
#define LIMIT_DKIM_FIELD             (32 * 1024)
#define LIMIT_SIGNING_MS             2000 /* until changed keys sign */
#define LIMIT_SIGNATURES             4    /* of one message */
#define LIMIT_SIGNING_ARENA          (16 * 1024 * 1024)
#define LIMIT_QUEUE_HOT              (32 * 1024 * 1024) /* messages accepted just now, kept in memory */
#define LIMIT_QUEUE_HOT_MESSAGE      (256 * 1024)
#define LIMIT_QUEUE_HOT_CELLS        1024
#define LIMIT_QUEUE_HOT_MS           30000
#define LIMIT_QUEUE_GATHER_MS        5     /* results that come within are settled together */
#define LIMIT_QUEUE_DONE             20000 /* finished entries that are remembered */
#define LIMIT_QUEUE_PROBE_SECONDS    900   /* until a destination that failed is tried again */
#define LIMIT_QUEUE_UNTRIED          2     /* places of a destination that did not answer yet */
#define LIMIT_QUEUE_LOOK_SECONDS     600   /* between two looks for what is too old */
#define LIMIT_QUEUE_SOON_SECONDS     10    /* when nothing is known of an attempt */
#define LIMIT_QUEUE_LANDED           64    /* delivered and not settled: others may go meanwhile */
#define LIMIT_QUEUE_SETTLE           256   /* results that are settled together */
#define LIMIT_QUEUE_ARENA            (64 * 1024 * 1024) /* one entry with its recipients */
#define LIMIT_QUEUE_TRAIL            (32 * 1024)        /* kept of a recipient's last attempt */
#define LIMIT_PROVIDERS_TEXT         (256 * 1024)       /* the list of providers */
#define LIMIT_PROVIDERS              10000              /* domains in it */
#define LIMIT_PROVIDERS_ARENA        (8 * 1024 * 1024)
#define LIMIT_MEMORY_DOMAINS         4096 /* whose memory is at hand without the database */
#define LIMIT_MEMORY_BYTES           (16 * 1024 * 1024) /* of all of them, policies included */
#define LIMIT_MEMORY_REFRESH_SECONDS (24 * 3600)        /* until an unchanged success is noted */
#define LIMIT_TALLY_WAITING          1000 /* counts that are not in the database yet */
#define LIMIT_TALLY_FLUSH_SECONDS    60   /* and what a crash may lose of them */
#define LIMIT_TALLY_ROWS             256 /* of one domain's day; the rest is counted without hosts */
#define LIMIT_TALLY_TEXT             2048 /* of a policy, and of its addresses for reports */
#define LIMIT_TALLY_SECONDS          (7 * 24 * 3600)   /* until an unsent report is forgotten */
#define LIMIT_TLSRPT                 (4 * 1024 * 1024) /* a report, unpacked */
#define LIMIT_TLSRPT_LINES           2000              /* of a report that is read */
#define LIMIT_TLSRPT_VALUES          100000            /* all values in it */
#define LIMIT_TLSRPT_TEXT            500               /* bytes kept of a text in it */
#define LIMIT_TLSRPT_SCAN            20000 /* newest messages of a mailbox searched for reports */
#define LIMIT_TLSRPT_DEPTH           32    /* of its JSON */
#define LIMIT_TLSRPT_ARENA           (16 * 1024 * 1024)

/* Web */
#define LIMIT_HTTP_HEAD    (16 * 1024) /* request line and fields, HTTP/1.1 and HPACK alike */
#define LIMIT_HTTP_FIELDS  100
#define LIMIT_HTTP_HEAD_MS 15000 /* until a request's head is there */
#define LIMIT_HTTP_BODY_MS 30000 /* between two pieces of a body */
#define LIMIT_HTTP_BODY_RATE                                                                       \
    1024 /* bytes a second that a body must bring, after the first 30 s                            \
          */
#define LIMIT_HTTP_IDLE_MS             60000 /* between two requests */
#define LIMIT_HTTP_REQUESTS            10000 /* of one connection */
#define LIMIT_HTTP_STREAMS             100   /* of HTTP/2, open at once */
#define LIMIT_HTTP_RESETS              200   /* of HTTP/2 in LIMIT_HTTP_RESETS_MS: rapid reset */
#define LIMIT_HTTP_RESETS_MS           30000
#define LIMIT_HTTP_FRAMES              2000 /* SETTINGS, PING and empty frames in that time */
#define LIMIT_HTTP_ARENA               (256 * 1024)        /* a handler's, of one exchange */
#define LIMIT_HTTP_WINDOW              (1024 * 1024)       /* HTTP/2: of a stream's upload */
#define LIMIT_HTTP_BODIES              (256 * 1024 * 1024) /* collected bodies of the process */
#define LIMIT_HTTP_LIGHT               (64 * 1024) /* bodies over this leave a quarter free */
#define LIMIT_HTTP_SET_FIELDS          32          /* a handler sets in an answer */
#define LIMIT_HTTP_PROBLEM             4096        /* an error's text */
#define LIMIT_HTTP_DRAIN               (64 * 1024 * 1024) /* of a refused body that is read away */
#define LIMIT_HTTP_DRAIN_MS            30000
#define LIMIT_HTTP_FRAMING             8                  /* bytes that frame a byte in chunks */
#define LIMIT_HTTP_TURN                (1024 * 1024)      /* sent before others get their turn */
#define LIMIT_HTTP_SMALL_WINDOW        1024               /* smaller window updates are noise */
#define LIMIT_HTTP_EVENTS_PENDING      (64 * 1024)        /* events not yet taken by a client */
#define LIMIT_HTTP_EVENTS_ACCOUNT      40                 /* event streams of one account */
#define LIMIT_HTTP_UNSENT_ACCOUNT      (64 * 1024 * 1024) /* answers of JMAP not taken yet */
#define LIMIT_WEB_SESSIONS_ACCOUNT     50
#define LIMIT_WEB_SESSIONS             100000
#define LIMIT_WEB_IDLE_SECONDS         (14 * 86400)
#define LIMIT_WEB_SECONDS              (90 * 86400)
#define LIMIT_WEB_ROTATE_SECONDS       3600
#define LIMIT_WEB_ROTATE_GRACE_SECONDS 60
#define LIMIT_WEB_SETTINGS             (64 * 1024)
#define LIMIT_WEB_BODY                 8192               /* of a login or a password change */
#define LIMIT_WEB_EVENTS_MS            60000              /* a stream sees that its session ended */
#define LIMIT_EXPORTS                  4                  /* at once; one an account */
#define LIMIT_EXPORT_DIRECTORY         (64 * 1024 * 1024) /* the list of files in a zip */
#define LIMIT_EXPORT_PIECE             (64 * 1024)        /* of a message, written at once */
#define LIMIT_EXPORT_NAME              4096               /* of a file in a zip */
#define LIMIT_AUTODISCOVER             (64 * 1024)        /* a request's XML */

/* JMAP */
#define LIMIT_JMAP_REQUEST           (10 * 1024 * 1024) /* maxSizeRequest */
#define LIMIT_JMAP_RESPONSE          (64 * 1024 * 1024)
#define LIMIT_JMAP_SESSION           (64 * 1024) /* the session resource */
#define LIMIT_JMAP_DEPTH             64          /* of its JSON */
#define LIMIT_JMAP_VALUES            500000      /* of its JSON */
#define LIMIT_JMAP_PATH              1024        /* bytes of a JSON pointer */
#define LIMIT_JMAP_CALL_ID           256         /* bytes */
#define LIMIT_JMAP_REQUEST_MS        30000 /* after it no further call of a request is begun */
#define LIMIT_JMAP_CALLS             64    /* maxCallsInRequest */
#define LIMIT_JMAP_CONCURRENT        8     /* maxConcurrentRequests, an account */
#define LIMIT_JMAP_GET               1000  /* maxObjectsInGet */
#define LIMIT_JMAP_SET               1000  /* maxObjectsInSet */
#define LIMIT_JMAP_QUERY             5000  /* ids of one answer */
#define LIMIT_JMAP_FILTER            100   /* conditions and operators of one filter */
#define LIMIT_JMAP_UPLOAD            (50 * 1024 * 1024)  /* maxSizeUpload */
#define LIMIT_JMAP_UPLOADS_ACCOUNT   (500 * 1024 * 1024) /* that wait to be used */
#define LIMIT_JMAP_UPLOAD_LEAST      (128 * 1024)        /* that each counts for there */
#define LIMIT_JMAP_UPLOAD_SECONDS    (24 * 3600)
#define LIMIT_JMAP_BLOB_SOURCES      64  /* pieces of one Blob/upload */
#define LIMIT_JMAP_MAILBOX_NAME      255 /* bytes of one level */
#define LIMIT_JMAP_CONCURRENT_UPLOAD 4
#define LIMIT_JMAP_ARENA             (64 * 1024 * 1024)
#define LIMIT_JMAP_BODY_VALUE                                                                      \
    (1024 * 1024)                       /* bytes of a text part that Email/get returns at most */
#define LIMIT_JMAP_REFERENCES     10000 /* values a back-reference may bring */
#define LIMIT_JMAP_HEADERS        100   /* header:* properties of one /get */
#define LIMIT_JMAP_SEARCH_MS      20000 /* a query that reads messages' texts */
#define LIMIT_JMAP_SEARCH_ROWS    4096  /* messages whose texts are searched at once */
#define LIMIT_JMAP_SEARCH_WORDS   100   /* of one filter */
#define LIMIT_JMAP_SORT           16    /* comparators of one query */
#define LIMIT_JMAP_SORT_KEY       256   /* bytes of a text that sorting looks at */
#define LIMIT_SNIPPET_SOURCE      (256 * 1024) /* bytes of a text part that are looked through */
#define LIMIT_SNIPPET_PARTS       8            /* text parts of one email that are looked through */
#define LIMIT_JMAP_PARSE          20           /* blobs of one Email/parse */
#define LIMIT_JMAP_BLOB_LEVELS    8            /* messages in messages that a blob id names */
#define LIMIT_SUBMISSIONS_PENDING 1000         /* an account */
#define LIMIT_SUBMISSION_DELAY    (366 * 86400) /* maxDelayedSend, seconds */
#define LIMIT_SUBMISSION_RETRY    (2 * 86400)   /* seconds after its time that sending is tried */
#define LIMIT_SUBMISSION_SECONDS  (30 * 86400)  /* settled ones are remembered */
#define LIMIT_IDENTITIES_ACCOUNT  100
#define LIMIT_IDENTITIES_GONE     1000 /* remembered of an account */
#define LIMIT_IDENTITY_NAME       1000 /* bytes */
#define LIMIT_SIGNATURE           (64 * 1024)
#define LIMIT_FORECAST_MS         1000 /* that an asker waits; what comes later is remembered */
#define LIMIT_VIEW_BYTES          (512ul * 1024 * 1024) /* all views that are kept */
#define LIMIT_VIEW_WAIT_S         3 /* for a commit that is about to be published */

/* Our own DNS */
#define LIMIT_PUBLISH_VALUE    (16 * 1024)   /* a record's value in a zone file */
#define LIMIT_PUBLISH_LIST     (1024 * 1024) /* records, or findings, of one domain */
#define LIMIT_PUBLISH_ZONE     (4 * 1024 * 1024)
#define LIMIT_PUBLISH_ANSWER   (4 * 1024 * 1024) /* findings as bytes */
#define LIMIT_PUBLISH_CHECK_MS 60000             /* all look-ups of a domain, or of the host */
#define LIMIT_PUBLISH_PROBE_MS 10000             /* one connection to a port of our own */
#define LIMIT_PUBLISH_LINES    100               /* of a greeting or an answer there */
#define LIMIT_PUBLISH_TLSA     LIMIT_DNS_RECORDS
#define LIMIT_PUBLISH_SEEN     (16 * 1024) /* the file tlsa.seen */

/* Delivery */
#define LIMIT_DELIVERY_TARGETS 20000 /* mailboxes and foreign addresses one message goes to */
#define LIMIT_DELIVERED_TO     100   /* Delivered-To fields that are looked at */
#define LIMIT_DELIVERY_ARENA   (64 * 1024 * 1024)
#define LIMIT_DELIVERY_TRACE   (16 * 1024)       /* fields put in front of a message */
#define LIMIT_DSN_VALUE        1100              /* an address, an id, or a server's answer in it */
#define LIMIT_REPORT           (4 * 1024 * 1024) /* a delivery report */
#define LIMIT_REPORT_HEADER    (64 * 1024)       /* what it brings back of the message */

/* Configuration, supervisor and commands */
#define LIMIT_CONFIG_SIZE   (256 * 1024)
#define LIMIT_CONFIG_LIST   256 /* items of a list setting */
#define LIMIT_CONFIG_ARENA  (1024 * 1024)
#define LIMIT_NEAREST_WORD  64                /* longer words have no nearest match */
#define LIMIT_AUTHORITIES   (8 * 1024 * 1024) /* the file of tls.ca */
#define LIMIT_PEM_FILE      (256 * 1024)      /* a certificate chain or key file */
#define LIMIT_IDENTITIES    64
#define LIMIT_LISTENERS     128
#define LIMIT_ROLE_START_MS 60000 /* from a role's start until it serves */
#define LIMIT_RESTART_MS    30000 /* the longest pause before a dead role is started again */
#define LIMIT_FIREWALL_BANS 5000
#define LIMIT_JOB_MS        (10 * 60 * 1000) /* a short job */
#define LIMIT_CONTROL_MS    10000            /* one exchange on the control socket */
#define LIMIT_LOOK_MS       (5 * 60 * 1000)  /* one question to the child that looks */
#define LIMIT_LOOK_RECORD   LIMIT_PUBLISH_ANSWER
#define LIMIT_CLI_ARENA     (256 * 1024 * 1024)

#endif
