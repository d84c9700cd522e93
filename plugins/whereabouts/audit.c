/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names are made from entries and looked up among the reservations, never taken apart: in
 * "net-fd00-1--1" nothing says where the address begins.
 */
#include "audit.h"

#include <string.h>

#include "core/result.h"

#define NAME_MAX_LEN 1024 /* of an object; the API server takes 253 */

struct audit_pool {
        const struct pool *pool;
        char *prefix;      /* owned; "" for none */
        bool odd;          /* the name is not the range's */
        size_t first_item; /* in the audit's items */
        /* The head of the prefix that the reservations of its entries have: its length; -1 while
         * no entry has one, -2 when they do not agree. */
        int head;
};

/* An entry under a key that is no offset. */
struct odd_entry {
        size_t pool;
        const char *key, *podref, *ifname;
};

/* Who has an entry. */
struct holder {
        const char *podref, *ifname;
};

/* What an audit needs on its way. */
struct work {
        struct audit *audit;
        struct odd_entry *odd; /* owned */
        size_t odd_count;
        struct holder *holders; /* owned; sorted by podref */
        size_t holder_count;
        /* Of each reservation: an entry of its owner has it, or a finding speaks of it. */
        bool *claimed, *told; /* owned */
        bool unreadable;      /* the entries of some pool are not known */
};

void snapshot_done(struct snapshot *snapshot)
{
        pool_list_done(&snapshot->pools);
        reservation_list_done(&snapshot->reservations);
}

void audit_done(struct audit *audit)
{
        for (size_t i = 0; i < audit->pool_count; i++)
                free(audit->pools[i].prefix);
        for (size_t i = 0; i < audit->finding_count; i++)
                free(audit->findings[i].name);
        free(audit->pools);
        free(audit->order);
        free(audit->items);
        free(audit->findings);
        *audit = (struct audit){ 0 };
}

static void work_done(struct work *work)
{
        free(work->odd);
        free(work->holders);
        free(work->claimed);
        free(work->told);
}

static int add_finding(struct audit *audit, const struct finding *finding, struct err *err)
{
        struct finding *findings;

        /* Room for the next power of two. */
        if ((audit->finding_count & (audit->finding_count - 1)) == 0) {
                size_t size = audit->finding_count > 0 ? 2 * audit->finding_count : 1;

                findings = reallocarray(audit->findings, size, sizeof(*findings));
                if (!findings)
                        return err_oom(err);
                audit->findings = findings;
        }
        audit->findings[audit->finding_count++] = *finding;
        return 0;
}

/* ---- prefixes and names ---- */

/* Cuts "-CIDR", or a name that is nothing else, from the end; false when it does not end so. */
static bool cut_range(char *name, const struct ipnet *range)
{
        const struct ipnet net = { ipnet_first(range), range->prefix, false };
        _cleanup_(buf_done) struct buf text;
        size_t len = strlen(name);

        buf_init(&text, NAME_MAX_LEN);
        pool_name(&text, NULL, NULL, &net);
        if (text.failed || text.len > len || strcmp(name + len - text.len, buf_text(&text)) != 0)
                return false;
        if (len > text.len && name[len - text.len - 1] != '-')
                return false;
        name[len > text.len ? len - text.len - 1 : 0] = '\0';
        return true;
}

static int read_pools(struct audit *audit, struct err *err)
{
        const struct pool_list *pools = &audit->snapshot->pools;
        size_t items = 0;

        audit->pools = calloc(pools->count + 1, sizeof(*audit->pools));
        if (!audit->pools)
                return err_oom(err);
        audit->pool_count = pools->count;
        for (size_t i = 0; i < pools->count; i++) {
                struct audit_pool *pool = &audit->pools[i];

                *pool = (struct audit_pool){ .pool = &pools->items[i],
                                             .prefix = strdup(pools->items[i].name),
                                             .first_item = items,
                                             .head = -1 };
                if (!pool->prefix)
                        return err_oom(err);
                if (pool->pool->range.ip.family)
                        pool->odd = !cut_range(pool->prefix, &pool->pool->range);
                items += pool->pool->count;
        }
        audit->items = calloc(items + 1, sizeof(*audit->items));
        if (!audit->items)
                return err_oom(err);
        for (size_t i = 0; i < pools->count; i++)
                for (size_t j = 0; j < pools->items[i].count; j++)
                        audit->items[audit->item_count++] =
                                (struct audit_item){ .pool = &pools->items[i],
                                                     .entry = &pools->items[i].entries[j],
                                                     .prefix = audit->pools[i].prefix };
        return 0;
}

/* The next shorter head of a prefix; -1 behind the last, which is empty. */
static int next_head(const char *prefix, int len)
{
        int next = len - 1;

        if (len == 0)
                return -1;
        while (next > 0 && prefix[next] != '-')
                next--;
        return next;
}

/* An object's name; too long a one is cut, and will not be found. */
static void make_name(char name[static NAME_MAX_LEN], const char *prefix, int head,
                      const char *address)
{
        (void)snprintf(name, NAME_MAX_LEN, "%.*s%s%s", head, prefix, head > 0 ? "-" : "", address);
}

/* The address as it stands in names. */
static int name_address(const struct ip *ip, char text[static IP_TEXT_MAX + 2], struct err *err)
{
        _cleanup_(buf_done) struct buf name;
        int r;

        buf_init(&name, IP_TEXT_MAX + 1);
        reservation_name(&name, NULL, ip);
        r = buf_check(&name, err);
        if (r == 0)
                (void)snprintf(text, IP_TEXT_MAX + 2, "%s", buf_text(&name));
        return r;
}

const char *audit_prefix(const struct audit *audit, size_t pool)
{
        return audit->pools[pool].prefix;
}

bool audit_is_near(const struct audit *audit, size_t pool, const struct reservation *reservation)
{
        const struct audit_pool *near = &audit->pools[pool];
        const struct ipnet *range = &near->pool->range;

        for (int head = (int)strlen(near->prefix); head >= 0;
             head = next_head(near->prefix, head)) {
                const char *rest = reservation->name + head + (head > 0);
                char text[IP_TEXT_MAX];
                struct ip ip;

                if (strncmp(reservation->name, near->prefix, (size_t)head) != 0 ||
                    (head > 0 && reservation->name[head] != '-') || strlen(rest) >= sizeof(text))
                        continue;
                (void)snprintf(text, sizeof(text), "%s", rest);
                for (char *p = text; *p; p++)
                        if (*p == '-')
                                *p = ':';
                if (ip_parse(text, &ip) == 0 && ipnet_contains(range, &ip))
                        return true;
        }
        return false;
}

/* ---- entries that are not decoded ---- */

/* One pool's entries in the document, beside those that were understood. */
struct odd_search {
        struct work *work;
        size_t pool;
        const char **keys; /* sorted: those that were */
        size_t key_count;
};

static const struct json_field holder_fields[] = {
        { "podref", json_decode_text, offsetof(struct holder, podref), JSON_PLAIN },
        { "ifname", json_decode_text, offsetof(struct holder, ifname), JSON_PLAIN },
};

static int look_at_member(const struct json_at *at, void *dst, struct err *err)
{
        struct odd_search *search = dst;
        struct work *work = search->work;
        struct holder holder = { 0 };
        struct odd_entry *odd;
        struct err ignored;

        if (search->key_count > 0 && bsearch(&at->key, search->keys, search->key_count,
                                             sizeof(*search->keys), text_compare_items))
                return 0;
        if (json_object(at, holder_fields, ARRAY_SIZE(holder_fields), &holder, &ignored) < 0)
                holder = (struct holder){ 0 };
        odd = reallocarray(work->odd, work->odd_count + 1, sizeof(*odd));
        if (!odd)
                return err_oom(err);
        work->odd = odd;
        odd[work->odd_count++] =
                (struct odd_entry){ search->pool, at->key, holder.podref, holder.ifname };
        return 0;
}

static int look_at_pool(const struct json_at *at, void *dst, struct err *err)
{
        struct work *work = dst;
        const struct pool *pool = &work->audit->snapshot->pools.items[at->index];
        _cleanup_(freep) const char **keys = NULL;
        struct odd_search search = { work, at->index, NULL, pool->count };
        struct json_at spec, allocations;

        if (!json_member(at, "spec", &spec) || !json_member(&spec, "allocations", &allocations) ||
            json_count(&allocations) == pool->count)
                return 0;
        search.keys = keys = calloc(pool->count + 1, sizeof(*keys));
        if (!keys)
                return err_oom(err);
        for (size_t i = 0; i < pool->count; i++)
                keys[i] = pool->entries[i].key;
        if (pool->count > 0)
                qsort(keys, pool->count, sizeof(*keys), text_compare_items);
        return json_members(&allocations, look_at_member, &search, err);
}

static int find_odd_entries(struct work *work, struct err *err)
{
        struct json_at top = { .value = work->audit->snapshot->pools.document }, items;

        if (work->audit->snapshot->pools.count == 0 || !json_member(&top, "items", &items))
                return 0;
        return json_list(&items, look_at_pool, work, err);
}

/* ---- who has what ---- */

/* Whether nothing is known of the entry but its address. */
static bool is_blank(const struct pool_entry *entry)
{
        return !*entry->id && !*entry->podref;
}

static bool is_owner(const struct reservation *reservation, const struct pool_entry *entry)
{
        return strcmp(reservation->podref, entry->podref) == 0 &&
               (!reservation->ifname || !entry->ifname ||
                strcmp(reservation->ifname, entry->ifname) == 0);
}

static int compare_holders(const void *a, const void *b)
{
        const struct holder *x = a, *y = b;

        return strcmp(x->podref, y->podref);
}

static int find_holders(struct work *work, struct err *err)
{
        const struct audit *audit = work->audit;

        work->holders = calloc(audit->item_count + work->odd_count + 1, sizeof(*work->holders));
        if (!work->holders)
                return err_oom(err);
        for (size_t i = 0; i < audit->item_count; i++)
                work->holders[work->holder_count++] =
                        (struct holder){ audit->items[i].entry->podref,
                                         audit->items[i].entry->ifname };
        for (size_t i = 0; i < work->odd_count; i++)
                if (work->odd[i].podref)
                        work->holders[work->holder_count++] =
                                (struct holder){ work->odd[i].podref, work->odd[i].ifname };
        if (work->holder_count > 1)
                qsort(work->holders, work->holder_count, sizeof(*work->holders), compare_holders);
        return 0;
}

/* Whether the reservation's pod has any entry for the interface, in whichever pool. */
static bool holds_any(const struct work *work, const struct reservation *reservation)
{
        size_t low = 0, high = work->holder_count;

        while (low < high) { /* the first one of this pod */
                size_t middle = low + (high - low) / 2;

                if (strcmp(work->holders[middle].podref, reservation->podref) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < work->holder_count; low++) {
                const struct holder *holder = &work->holders[low];

                if (strcmp(holder->podref, reservation->podref) != 0)
                        return false;
                if (!holder->ifname || !*holder->ifname || !reservation->ifname ||
                    strcmp(holder->ifname, reservation->ifname) == 0)
                        return true;
        }
        return false;
}

/* The reservation that may be the item's and `fits`, by the longest head of its pool's prefix;
 * NULL when there is none. */
static int search_names(const struct work *work, const struct audit_item *item,
                        bool (*fits)(const struct work *work, const struct audit_item *item,
                                     const struct reservation *reservation),
                        const struct reservation **ret, int *ret_head, struct err *err)
{
        const struct reservation_list *list = &work->audit->snapshot->reservations;
        char address[IP_TEXT_MAX + 2], name[NAME_MAX_LEN];
        int r = name_address(&item->entry->ip, address, err);

        if (r < 0)
                return r;
        *ret = NULL;
        for (int head = (int)strlen(item->prefix); head >= 0;
             head = next_head(item->prefix, head)) {
                const struct reservation *found;

                make_name(name, item->prefix, head, address);
                found = reservation_list_find(list, name);
                if (found && fits(work, item, found)) {
                        *ret = found;
                        *ret_head = head;
                        return 0;
                }
        }
        return 0;
}

static bool fits_owner(_unused_ const struct work *work, const struct audit_item *item,
                       const struct reservation *reservation)
{
        return is_blank(item->entry) || is_owner(reservation, item->entry);
}

static bool fits_nobody(const struct work *work, _unused_ const struct audit_item *item,
                        const struct reservation *reservation)
{
        return !work->claimed[reservation - work->audit->snapshot->reservations.items];
}

static int match_item(struct work *work, struct audit_pool *pool, struct audit_item *item,
                      struct err *err)
{
        int head = 0, r = search_names(work, item, fits_owner, &item->own, &head, err);

        if (r < 0 || !item->own)
                return r;
        work->claimed[item->own - work->audit->snapshot->reservations.items] = true;
        if (!is_blank(item->entry))
                pool->head = pool->head == -1 || pool->head == head ? head : -2;
        return 0;
}

/* Gives each entry its reservation. */
static int match(struct work *work, struct err *err)
{
        struct audit *audit = work->audit;
        int r = 0;

        for (size_t i = 0; i < audit->pool_count; i++)
                for (size_t j = 0; j < audit->pools[i].pool->count && r == 0; j++)
                        r = match_item(work, &audit->pools[i],
                                       &audit->items[audit->pools[i].first_item + j], err);
        return r;
}

/* By network and address, then as they came. */
static int compare_places(const void *a, const void *b)
{
        const struct audit_item *x = *(const struct audit_item *const *)a,
                                *y = *(const struct audit_item *const *)b;
        int order = strcmp(x->prefix, y->prefix);

        if (order == 0)
                order = ip_compare(&x->entry->ip, &y->entry->ip);
        return order != 0 ? order : (x > y) - (x < y);
}

/* The API server promises no order. */
static int compare_pools(const void *a, const void *b)
{
        const struct audit_pool *x = *(const struct audit_pool *const *)a,
                                *y = *(const struct audit_pool *const *)b;

        return strcmp(x->pool->name, y->pool->name);
}

static int order_pools(struct audit *audit, struct err *err)
{
        _cleanup_(freep) const struct audit_pool **sorted =
                calloc(audit->pool_count + 1, sizeof(struct audit_pool *));

        audit->order = calloc(audit->pool_count + 1, sizeof(*audit->order));
        if (!sorted || !audit->order)
                return err_oom(err);
        for (size_t i = 0; i < audit->pool_count; i++)
                sorted[i] = &audit->pools[i];
        if (audit->pool_count > 1)
                qsort(sorted, audit->pool_count, sizeof(*sorted), compare_pools);
        for (size_t i = 0; i < audit->pool_count; i++)
                audit->order[i] = (size_t)(sorted[i] - audit->pools);
        return 0;
}

static int find_twins(struct audit *audit, struct err *err)
{
        _cleanup_(freep) struct audit_item **sorted =
                calloc(audit->item_count + 1, sizeof(struct audit_item *));

        if (!sorted)
                return err_oom(err);
        for (size_t i = 0; i < audit->item_count; i++)
                sorted[i] = &audit->items[i];
        if (audit->item_count > 1)
                qsort(sorted, audit->item_count, sizeof(*sorted), compare_places);
        for (size_t i = 1; i < audit->item_count; i++)
                if (strcmp(sorted[i]->prefix, sorted[i - 1]->prefix) == 0 &&
                    ip_equal(&sorted[i]->entry->ip, &sorted[i - 1]->entry->ip)) {
                        sorted[i]->twin = sorted[i - 1];
                        sorted[i]->shared = sorted[i - 1]->shared = true;
                }
        return 0;
}

/* ---- findings ---- */

/* Why the missing reservation of an entry cannot be made; NULL: it can. */
static const char *doubt_creation(const struct audit_pool *pool, const struct audit_item *item)
{
        if (item->shared)
                return "the address is in use twice";
        if (!item->entry->ifname || !*item->entry->podref || !*item->entry->id)
                return "the entry does not say whose it is";
        if (pool->odd)
                return "the pool's name is not its range's";
        if (pool->head == -1)
                return "no entry of this pool has one: overlap checking may be off for it";
        if (pool->head < 0)
                return "the reservations of this pool's entries differ in their names' beginnings";
        return NULL;
}

static int tell_unreserved(struct work *work, const struct audit_pool *pool,
                           const struct audit_item *item, struct err *err)
{
        struct finding finding = { .kind = FINDING_UNRESERVED,
                                   .pool = item->pool,
                                   .key = item->entry->key,
                                   .entry = item->entry };
        char address[IP_TEXT_MAX + 2], name[NAME_MAX_LEN];
        int head, r = search_names(work, item, fits_nobody, &finding.reservation, &head, err);

        if (r < 0)
                return r;
        if (finding.reservation) {
                work->told[finding.reservation - work->audit->snapshot->reservations.items] = true;
                finding.kind = FINDING_DIFFERS;
                finding.unsure = "which of the two is right is not known";
                return add_finding(work->audit, &finding, err);
        }
        finding.unsure = doubt_creation(pool, item);
        if (!finding.unsure) {
                r = name_address(&item->entry->ip, address, err);
                if (r < 0)
                        return r;
                make_name(name, item->prefix, pool->head, address);
                finding.name = strdup(name);
                if (!finding.name)
                        return err_oom(err);
        }
        r = add_finding(work->audit, &finding, err);
        if (r < 0)
                free(finding.name);
        return r;
}

static int tell_entry(struct work *work, const struct audit_pool *pool,
                      const struct audit_item *item, struct err *err)
{
        struct finding finding = { .pool = item->pool,
                                   .key = item->entry->key,
                                   .entry = item->entry,
                                   .unsure = "nothing is known that could be put in its place" };
        int r = 0;

        if (item->twin) {
                struct finding twice = finding;

                twice.kind = FINDING_TWICE;
                twice.twin = item->twin->pool;
                twice.twin_entry = item->twin->entry;
                twice.unsure = "which of the two is right is not known";
                r = add_finding(work->audit, &twice, err);
        }
        finding.kind = is_blank(item->entry) ? FINDING_ENTRY : FINDING_IFNAME;
        if (r == 0 && (is_blank(item->entry) || !item->entry->ifname))
                r = add_finding(work->audit, &finding, err);
        if (r == 0 && !item->own && !is_blank(item->entry))
                r = tell_unreserved(work, pool, item, err);
        return r;
}

static int tell_pool(struct work *work, const struct audit_pool *pool, struct err *err)
{
        struct audit *audit = work->audit;
        const bool readable = pool->pool->range.ip.family != 0;
        struct finding finding = { .kind = readable ? FINDING_NAME : FINDING_RANGE,
                                   .pool = pool->pool,
                                   .unsure = "nobody but its author knows what was meant" };
        int r = 0;

        if (!readable || pool->odd)
                r = add_finding(audit, &finding, err);
        finding.kind = FINDING_KEY;
        finding.unsure = "what it stands for is not known";
        for (size_t i = 0; i < work->odd_count && r == 0 && readable; i++) {
                finding.key = work->odd[i].key;
                if (&audit->pools[work->odd[i].pool] == pool)
                        r = add_finding(audit, &finding, err);
        }
        for (size_t i = 0; i < pool->pool->count && r == 0; i++)
                r = tell_entry(work, pool, &audit->items[pool->first_item + i], err);
        return r;
}

/* Why an orphan cannot be deleted; NULL: it can. */
static const char *doubt_deletion(const struct work *work, const struct reservation *reservation)
{
        const char *slash = strchr(reservation->podref, '/');

        if (!slash || slash == reservation->podref || !slash[1])
                return "it names no pod";
        if (work->unreadable)
                return "there is a pool that cannot be read";
        if (holds_any(work, reservation))
                return "its pod has another address on that interface";
        return NULL;
}

static int tell_orphans(struct work *work, struct err *err)
{
        const struct reservation_list *list = &work->audit->snapshot->reservations;
        int r = 0;

        for (size_t i = 0; i < list->count && r == 0; i++) {
                const struct finding finding = { .kind = FINDING_ORPHAN,
                                                 .reservation = &list->items[i],
                                                 .unsure = doubt_deletion(work, &list->items[i]) };

                if (!work->claimed[i] && !work->told[i])
                        r = add_finding(work->audit, &finding, err);
        }
        return r;
}

/* ---- the whole ---- */

static int prepare(struct work *work, struct err *err)
{
        const struct snapshot *snapshot = work->audit->snapshot;
        int r;

        work->claimed = calloc(snapshot->reservations.count + 1, sizeof(bool));
        work->told = calloc(snapshot->reservations.count + 1, sizeof(bool));
        if (!work->claimed || !work->told)
                return err_oom(err);
        for (size_t i = 0; i < snapshot->pools.count; i++)
                work->unreadable |= !snapshot->pools.items[i].range.ip.family;
        r = read_pools(work->audit, err);
        if (r == 0)
                r = order_pools(work->audit, err);
        if (r == 0)
                r = find_odd_entries(work, err);
        if (r == 0)
                r = find_holders(work, err);
        if (r == 0)
                r = match(work, err);
        return r == 0 ? find_twins(work->audit, err) : r;
}

int audit_run(const struct snapshot *snapshot, struct audit *ret, struct err *err)
{
        _cleanup_(audit_done) struct audit audit = { .snapshot = snapshot };
        _cleanup_(work_done) struct work work = { .audit = &audit };
        int r = prepare(&work, err);

        for (size_t i = 0; i < audit.pool_count && r == 0; i++)
                r = tell_pool(&work, &audit.pools[audit.order[i]], err);
        if (r == 0)
                r = tell_orphans(&work, err);
        if (r < 0)
                return r;
        *ret = audit;
        audit = (struct audit){ 0 };
        return 0;
}

bool audit_is_reserved(const struct audit *audit, size_t pool, size_t entry)
{
        return audit->items[audit->pools[pool].first_item + entry].own;
}

/* Both NULL, or the same text. */
static bool same_text(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : !a && !b;
}

static bool is_same(const struct finding *a, const struct finding *b)
{
        if (a->kind != b->kind || !same_text(a->key, b->key) || !a->pool != !b->pool ||
            !a->entry != !b->entry || !a->reservation != !b->reservation)
                return false;
        return (!a->pool || strcmp(a->pool->name, b->pool->name) == 0) &&
               (!a->entry || (strcmp(a->entry->id, b->entry->id) == 0 &&
                              strcmp(a->entry->podref, b->entry->podref) == 0)) &&
               (!a->reservation || strcmp(a->reservation->uid, b->reservation->uid) == 0);
}

const struct finding *audit_find(const struct audit *audit, const struct finding *finding)
{
        for (size_t i = 0; i < audit->finding_count; i++)
                if (is_same(&audit->findings[i], finding))
                        return &audit->findings[i];
        return NULL;
}
