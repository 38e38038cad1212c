/* The table of SMTP replies. */
#include "smtp/reply.h"

static const struct smtp_reply_text replies[SMTP_REPLIES] = {
    [REPLY_DONE] = {250, "2.0.0", "OK"},
    [REPLY_SENDER_OK] = {250, "2.1.0", "Sender OK"},
    [REPLY_RECIPIENT_OK] = {250, "2.1.5", "Recipient OK"},
    [REPLY_ACCEPTED] = {250, "2.0.0", "Message kept as"},
    [REPLY_CHUNK_OK] = {250, "2.0.0", "Chunk received"},
    [REPLY_BYE] = {221, "2.0.0", "Goodbye"},
    [REPLY_STARTTLS] = {220, "2.0.0", "Ready to start TLS"},
    [REPLY_AUTH_OK] = {235, "2.7.0", "Logged in"},
    [REPLY_CANNOT_VERIFY] = {252, "2.1.5", "Nobody is verified here; send and see"},
    [REPLY_HELP] = {214, "2.0.0", "This is SMTP as RFC 5321 describes it"},
    [REPLY_SEND_DATA] = {354, "", "Send the message, end it with <CRLF>.<CRLF>"},

    [REPLY_SHUTTING_DOWN] = {421, "4.3.2", "The service is stopping, come back soon"},
    [REPLY_BACKEND_GONE] = {421, "4.3.0", "The mail store is not available, come back soon"},
    [REPLY_TIMEOUT] = {421, "4.4.2", "Waited too long"},
    [REPLY_TOO_MANY_ERRORS] = {421, "4.7.0", "Too many errors"},
    [REPLY_TOO_LONG] = {421, "4.7.0", "Enough for one connection, open another"},
    [REPLY_REVOKED] = {421, "4.7.0", "The account was changed, log in again"},
    [REPLY_TOO_MANY_MESSAGES] = {450, "4.7.28",
                                 "Your account has sent too many messages, try again in an hour"},
    [REPLY_TOO_MANY_NEW] =
        {450, "4.7.28", "Your account has written to too many new recipients, try again tomorrow"},
    [REPLY_TEMPORARY] = {451, "4.3.0", "Temporary failure, try again later"},
    [REPLY_AUTH_BUSY] = {454, "4.7.0", "Login is busy, try again later"},
    [REPLY_TLS_NOT_NOW] = {454, "4.7.0", "TLS is not available now"},
    [REPLY_NO_ROOM] = {452, "4.3.1", "No room on this system, try again later"},
    [REPLY_MAILBOX_FULL] = {452, "4.2.2", "The mailbox is full"},
    [REPLY_TOO_MANY_RCPT] = {452, "4.5.3", "Too many recipients"},

    [REPLY_UNKNOWN_COMMAND] = {500, "5.5.1", "Unknown command"},
    [REPLY_BAD_LINE] = {500, "5.5.2", "A command is printable text that ends with CRLF"},
    [REPLY_LINE_TOO_LONG] = {500, "5.5.6", "The line is too long"},
    [REPLY_BAD_ARGUMENT] = {501, "5.5.4", "Malformed argument"},
    [REPLY_BAD_SENDER] = {501, "5.1.7", "Malformed sender address"},
    [REPLY_BAD_RECIPIENT] = {501, "5.1.3", "Malformed recipient address"},
    [REPLY_AUTH_CANCELLED] = {501, "5.7.0", "Login cancelled"},
    [REPLY_AUTH_BAD] = {501, "5.5.2", "Malformed login"},
    [REPLY_NOT_HERE] = {502, "5.5.1", "Not available here"},
    [REPLY_BAD_SEQUENCE] = {503, "5.5.1", "Not now"},
    [REPLY_NEED_HELLO] = {503, "5.5.1", "Say EHLO first"},
    [REPLY_NEED_MAIL] = {503, "5.5.1", "Say MAIL first"},
    [REPLY_NEED_RCPT] = {503, "5.5.1", "There is no recipient"},
    [REPLY_AUTH_UNKNOWN] = {504, "5.5.4", "Unknown login mechanism"},
    [REPLY_AUTH_DISABLED] = {525, "5.7.13", "This account may not log in"},
    [REPLY_NEED_TLS] = {530, "5.7.0", "Say STARTTLS first"},
    [REPLY_NEED_AUTH] = {530, "5.7.0", "Log in first"},
    [REPLY_NEED_TLS_FOR_IT] = {530, "5.7.10", "REQUIRETLS needs TLS"},
    [REPLY_AUTH_WRONG] = {535, "5.7.8", "User name or password is wrong"},
    [REPLY_UNKNOWN] = {550, "5.1.1", "No such recipient here"},
    [REPLY_NOT_OURS] = {550, "5.7.1", "Not a domain of this server, no relaying"},
    [REPLY_CLOSED] = {550, "5.2.1", "The mailbox is closed"},
    [REPLY_NOT_YOUR_SENDER] = {550, "5.7.1", "The sender address does not belong to your account"},
    [REPLY_NOT_YOUR_FROM] = {550, "5.7.1",
                             "An address in From or Sender does not belong to your account"},
    [REPLY_NO_FROM] = {550, "5.7.1", "The message must have one From field with an address"},
    [REPLY_UNCLEAR_FROM] = {550, "5.7.1",
                            "An address list in From or Sender is malformed or too long"},
    [REPLY_NO_NULL_SENDER] = {550, "5.7.1", "The empty sender is not for users: use your address"},
    [REPLY_NO_SEND] = {550, "5.7.1", "Your account may not send mail"},
    [REPLY_TOO_BIG] = {552, "5.3.4", "The message is too big"},
    [REPLY_NEED_UTF8] = {553, "5.6.7", "A non-ASCII address needs SMTPUTF8 with MAIL"},
    [REPLY_NOT_IN_STEP] = {554, "5.5.0", "You speak before your turn"},
    [REPLY_BARE_LINE_END] = {554, "5.6.0", "A bare CR or LF in the message: lines end with CRLF"},
    [REPLY_NUL] = {554, "5.6.0", "A NUL byte in the message"},
    [REPLY_TEXT_LINE] = {554, "5.6.0", "A line of the message is too long"},
    [REPLY_BAD_HEADER] = {554, "5.6.0", "The message's header is too big"},
    [REPLY_LOOP] = {554, "5.4.6", "Too many hops: this message goes in circles"},
    [REPLY_UNKNOWN_PARAM] = {555, "5.5.4", "Unknown parameter"},
};

const struct smtp_reply_text *smtp_reply(enum smtp_reply r)
{
    if (r <= REPLY_NONE || r >= SMTP_REPLIES || replies[r].code == 0)
        bug("no reply %d", (int)r);
    return &replies[r];
}

enum smtp_reply smtp_reply_of_handover(enum handover_status s)
{
    switch (s) {
    case HANDOVER_OK:
        return REPLY_RECIPIENT_OK;
    case HANDOVER_UNKNOWN:
        return REPLY_UNKNOWN;
    case HANDOVER_NOT_OURS:
        return REPLY_NOT_OURS;
    case HANDOVER_CLOSED:
        return REPLY_CLOSED;
    case HANDOVER_FULL:
        return REPLY_MAILBOX_FULL;
    case HANDOVER_NO_ROOM:
        return REPLY_NO_ROOM;
    case HANDOVER_BAD:
        return REPLY_BAD_RECIPIENT;
    case HANDOVER_LOOP:
        return REPLY_LOOP;
    case HANDOVER_TOO_MANY:
        return REPLY_TOO_MANY_RCPT;
    case HANDOVER_TEMPORARY:
        break;
    }
    return REPLY_TEMPORARY;
}

enum smtp_reply smtp_reply_of_delivery(enum delivery_status s)
{
    switch (s) {
    case DELIVERY_OK:
        return REPLY_RECIPIENT_OK;
    case DELIVERY_UNKNOWN:
        return REPLY_UNKNOWN;
    case DELIVERY_NOT_OURS:
        return REPLY_NOT_OURS;
    case DELIVERY_CLOSED:
        return REPLY_CLOSED;
    case DELIVERY_QUOTA:
        return REPLY_MAILBOX_FULL;
    case DELIVERY_NO_ROOM:
        return REPLY_NO_ROOM;
    case DELIVERY_BAD:
        return REPLY_BAD_RECIPIENT;
    case DELIVERY_LOOP:
        return REPLY_LOOP;
    case DELIVERY_TEMPORARY:
        break;
    }
    return REPLY_TEMPORARY;
}

enum smtp_reply smtp_reply_of_all(const enum smtp_reply *each, size_t n)
{
    enum smtp_reply worst = REPLY_ACCEPTED;
    bool kept = false, looped = false;
    for (size_t i = 0; i < n; i++) {
        if (each[i] == REPLY_RECIPIENT_OK)
            kept = true;
        else if (each[i] == REPLY_LOOP)
            looped = true;
        else if (worst == REPLY_ACCEPTED || smtp_reply(each[i])->code < 500)
            worst = each[i];
    }
    if (worst == REPLY_ACCEPTED)
        return kept || !looped ? REPLY_ACCEPTED : REPLY_LOOP;
    /* Some have it and one is refused for good: the next attempt hears that at RCPT. */
    return kept && smtp_reply(worst)->code >= 500 ? REPLY_TEMPORARY : worst;
}
