/* What senders are told about mail that left, or did not: turns the queue's notices into reports
 * (message/dsn.h) in the account's language and delivers them: to a mailbox here, or back through
 * the queue when the sender is elsewhere. */
#ifndef DEPESCHE_FILTER_NOTICE_H
#define DEPESCHE_FILTER_NOTICE_H

#include "filter/delivery.h"
#include "queue/queue.h"

/* Durable on OK. Nothing is made for the empty sender, nor where the recipients' NOTIFY forbids it;
 * that is OK too. An error: ask again later. */
must_use enum error notice_deliver(const struct delivery_service *s, const struct queue_notice *n);

#endif
