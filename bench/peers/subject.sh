#!/bin/bash
# This server, as the kit starts and ends it.
#
#   subject.sh up|down|status|restart|wipe
#
# DEPESCHE   the program (default ../build/depesche)
#
# SMARTHOST_PORT   where mail for others goes; else the kit's sink
#
# Everything stays at its default but the limits that would refuse the load. The accounts are made once,
# by the ordinary command with the ordinary password hash, and kept for later runs of the same program.
. "$(dirname "$0")/common.sh"

DEPESCHE=${DEPESCHE:-$(cd "$(dirname "$0")/../.." && pwd)/build/depesche}
DIR=$INSTANCE_DIR
CONF=$DIR/depesche.conf
PIDFILE=$DIR/server.pid
ACCOUNTS=$BENCH_HOME/subject-accounts

write_config() {
    mkdir -p "$DIR/data" "$DIR/run"
    cat >"$CONF" <<CONF
[server]
host = mail.$BENCH_DOMAIN
data = $DIR/data
edge_data = $DIR/edge
run = $DIR/run
mail_user = $MAIL_UID
edge_user = $((MAIL_UID + 1))

[listen]
address = 127.0.0.1
smtp = $SMTP_PORT
submission = $SUBMIT_PORT
submissions = $SUBMITS_PORT
imap = $IMAP_PORT
imaps = $IMAPS_PORT
https = none
http = none

[tls]
certificate = $TLS_CERT $TLS_KEY

[limits]
connections_per_address = 20000

[guard]
firewall = no

[sending]
smarthost = 127.0.0.1:${SMARTHOST_PORT:-$SINK_PORT}
messages_per_hour = 0
new_recipients_per_day = 0

[dns]
known_good =
known_bad =
CONF
}

make_accounts() {
    # Made by another program they might lack what it makes today: a domain's keys, say.
    [ "$ACCOUNTS/complete" -nt "$DEPESCHE" ] && return 0
    rm -rf "$ACCOUNTS"
    echo "making $BENCH_USERS accounts, once" >&2
    "$DEPESCHE" domain add "$BENCH_DOMAIN" --config "$CONF" >&2
    user_names | xargs -P 2 -I{} sh -c "printf '%s\n' '$BENCH_PASSWORD' |
        '$DEPESCHE' account add {} --password-fd 0 --config '$CONF' >/dev/null"
    mkdir -p "$ACCOUNTS"
    cp "$DIR"/data/directory.db* "$ACCOUNTS/"
    touch "$ACCOUNTS/complete"
}

case "${1:-}" in
up)
    alive "$PIDFILE" && { echo "already up"; exit 0; }
    make_cert
    write_config
    make_accounts
    cp "$ACCOUNTS"/directory.db* "$DIR/data/"
    chown -R "$MAIL_UID:$MAIL_GID" "$DIR/data"
    ulimit -n 65536 2>/dev/null || true
    "$DEPESCHE" serve --config "$CONF" >"$DIR/server.log" 2>&1 </dev/null &
    echo $! >"$PIDFILE"
    for p in "$SMTP_PORT" "$SUBMIT_PORT" "$IMAPS_PORT"; do wait_port "$p"; done
    ;;
down)
    stop_pid "$PIDFILE"
    ;;
restart)
    "$0" down
    "$0" up
    ;;
status)
    if alive "$PIDFILE"; then echo "up, pid $(cat "$PIDFILE")"; else echo "down"; exit 1; fi
    ;;
wipe)
    "$0" down
    rm -rf "$DIR"
    ;;
*) usage ;;
esac
