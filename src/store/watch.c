/* Watches: who is woken when a commit changes a mailbox. */
#include "store/internal.h"

enum error store_watch(struct store *s, uint64_t account, uint32_t mailbox, struct waker *w,
                       struct store_watch **out)
{
    struct shard *sh = store_shard(s, account);
    struct account *a = account_get(sh, account); /* the watch keeps this reference */
    struct store_watch *x = mem_alloc(sizeof *x);
    x->account = a;
    x->mailbox = mailbox;
    x->waker = waker_ref(w);
    pthread_mutex_lock(&sh->lock);
    x->next = a->watches;
    x->link = &a->watches;
    if (x->next != NULL)
        x->next->link = &x->next;
    a->watches = x;
    pthread_mutex_unlock(&sh->lock);
    *out = x;
    return OK;
}

void store_unwatch(struct store_watch *x)
{
    if (x == NULL)
        return;
    struct account *a = x->account;
    pthread_mutex_lock(&a->shard->lock);
    *x->link = x->next;
    if (x->next != NULL)
        x->next->link = x->link;
    pthread_mutex_unlock(&a->shard->lock);
    waker_unref(x->waker);
    mem_free(x);
    account_put(a);
}
