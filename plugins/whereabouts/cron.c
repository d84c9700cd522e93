/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cron expressions, after the parser of robfig/cron v3 ("standard"), which the Go program has. Days
 * are counted through one by one; that is some thousand steps at the worst.
 */
#include "cron.h"

#include <string.h>
#include <strings.h>

#include "core/buf.h"
#include "core/utf8.h"

#define DAY_S       86400
#define DAYS_MAX    (12 * 366) /* 29 February may be eight years away */
#define EVERY_MAX_S ((int64_t)100 * 366 * DAY_S)

#define STEP_MAX 1000000U

#define WHITE " \t\r\n\v\f"

static int refuse(struct err *err, const char *text, const char *what)
{
        char quoted[CRON_TEXT_MAX + 1];

        (void)snprintf(quoted, sizeof(quoted), "%s", text);
        utf8_make_printable(quoted);
        return err_text(err, -EINVAL, CNI_ERR_CONFIG, "schedule '%s': %s", quoted, what);
}

/* ---- one field ---- */

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
                                           "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekday_names[] = {
        "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL
};

static const struct field {
        const char *what;
        unsigned min, max;
        const char *const *names; /* of min, min + 1 ...; NULL: none */
        size_t bits, any;         /* where they go in struct cron; any 0: nowhere */
} fields[] = {
        { "the minute", 0, 59, NULL, offsetof(struct cron, minutes), 0 },
        { "the hour", 0, 23, NULL, offsetof(struct cron, hours), 0 },
        { "the day", 1, 31, NULL, offsetof(struct cron, days), offsetof(struct cron, any_day) },
        { "the month", 1, 12, month_names, offsetof(struct cron, months), 0 },
        { "the weekday", 0, 6, weekday_names, offsetof(struct cron, weekdays),
          offsetof(struct cron, any_weekday) },
};

static bool read_number(const char *text, size_t len, unsigned max, unsigned *ret)
{
        uint64_t number;

        if (parse_u64(text, len, max, &number) < 0)
                return false;
        *ret = (unsigned)number;
        return true;
}

static bool read_value(const struct field *field, const char *text, size_t len, unsigned *ret)
{
        for (unsigned i = 0; field->names && field->names[i]; i++)
                if (len == 3 && strncasecmp(text, field->names[i], len) == 0) {
                        *ret = field->min + i;
                        return true;
                }
        return read_number(text, len, field->max, ret) && *ret >= field->min;
}

/* One element of a field's list. `any` is set when it is every value there is. */
static bool read_element(const struct field *field, const char *text, size_t len, uint64_t *bits,
                         bool *any)
{
        const char *slash = memchr(text, '/', len), *dash;
        size_t head = slash ? (size_t)(slash - text) : len;
        unsigned first = field->min, last = field->max, step = 1;
        bool star = head == 1 && (*text == '*' || *text == '?');

        if (slash && (!read_number(slash + 1, len - head - 1, STEP_MAX, &step) || step == 0))
                return false;
        dash = star ? NULL : memchr(text, '-', head);
        if (dash) {
                size_t left = (size_t)(dash - text);

                if (!read_value(field, text, left, &first) ||
                    !read_value(field, dash + 1, head - left - 1, &last) || first > last)
                        return false;
        } else if (!star) {
                if (!read_value(field, text, head, &first))
                        return false;
                if (!slash) /* with a step it goes on to the end */
                        last = first;
        }
        *any |= star && step == 1;
        for (unsigned i = first; i <= last; i += step)
                *bits |= UINT64_C(1) << i;
        return true;
}

static bool read_field(const struct field *field, const char *text, size_t len, struct cron *cron)
{
        uint64_t *bits = (void *)((char *)cron + field->bits);
        bool any = false;

        for (;;) {
                const char *comma = memchr(text, ',', len);
                size_t n = comma ? (size_t)(comma - text) : len;

                if (!read_element(field, text, n, bits, &any))
                        return false;
                if (!comma)
                        break;
                text += n + 1;
                len -= n + 1;
        }
        if (field->any)
                *(bool *)((char *)cron + field->any) = any;
        return true;
}

static size_t count_fields(const char *text)
{
        size_t count = 0;

        for (text += strspn(text, WHITE); *text; text += strspn(text, WHITE), count++)
                text += strcspn(text, WHITE);
        return count;
}

static int read_fields(const char *whole, const char *text, struct cron *cron, struct err *err)
{
        size_t count = count_fields(text);

        if (count > ARRAY_SIZE(fields))
                return refuse(err, whole, "there are more than five fields (none is for seconds)");
        if (count < ARRAY_SIZE(fields))
                return refuse(err, whole, "it has fewer than five fields");
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
                size_t len;
                char what[64];

                text += strspn(text, WHITE);
                len = strcspn(text, WHITE);
                (void)snprintf(what, sizeof(what), "%s makes no sense", fields[i].what);
                if (!read_field(&fields[i], text, len, cron))
                        return refuse(err, whole, what);
                text += len;
        }
        return 0;
}

/* ---- words ---- */

static const struct {
        const char *word, *fields;
} words[] = {
        { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" },
        { "@weekly", "0 0 * * 0" }, { "@daily", "0 0 * * *" },    { "@midnight", "0 0 * * *" },
        { "@hourly", "0 * * * *" },
};

static const struct {
        const char *name;
        double seconds;
} units[] = {
        { "ns", 1e-9 }, { "us", 1e-6 }, { "µs", 1e-6 }, { "μs", 1e-6 },
        { "ms", 1e-3 }, { "s", 1 },     { "m", 60 },    { "h", 3600 },
};

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* A number, maybe with a fraction, and its unit. Returns its length; 0 for what is none. */
static size_t read_part(const char *text, double *seconds)
{
        double number = 0, place = 1;
        size_t len = 0, digits = 0, unit_len;

        for (; is_digit(text[len]); len++, digits++)
                number = number * 10 + (text[len] - '0');
        if (text[len] == '.')
                for (len++; is_digit(text[len]); len++, digits++)
                        number += (text[len] - '0') * (place /= 10);
        unit_len = strcspn(text + len, "0123456789.");
        for (size_t i = 0; i < ARRAY_SIZE(units) && digits > 0; i++)
                if (strlen(units[i].name) == unit_len &&
                    memcmp(units[i].name, text + len, unit_len) == 0) {
                        *seconds += number * units[i].seconds;
                        return len + unit_len;
                }
        return 0;
}

/* As time.ParseDuration reads it; parts of seconds do not count, but for the first. */
static int read_every(const char *whole, const char *text, struct cron *cron, struct err *err)
{
        double seconds = 0;

        do {
                size_t len = read_part(text, &seconds);

                if (len == 0)
                        return refuse(err, whole, "no duration such as 1h30m follows @every");
                text += len;
        } while (*text);
        if (seconds <= 0 || seconds > (double)EVERY_MAX_S)
                return refuse(err, whole, "the duration is too short or too long");
        cron->every_s = seconds < 1 ? 1 : (int64_t)seconds;
        return 0;
}

static int read_word(const char *text, struct cron *cron, struct err *err)
{
        static const char every[] = "@every ";

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (strcmp(text, words[i].word) == 0)
                        return read_fields(text, words[i].fields, cron, err);
        if (strncmp(text, every, sizeof(every) - 1) == 0)
                return read_every(text, text + sizeof(every) - 1, cron, err);
        return refuse(err, text, "no such word is known");
}

/* ---- the whole ---- */

static bool is_utc(const char *zone, size_t len)
{
        static const char *const names[] = { "", "UTC", "GMT", "Etc/UTC", "Etc/GMT" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (strlen(names[i]) == len && memcmp(names[i], zone, len) == 0)
                        return true;
        return false;
}

/* What is behind the zone; NULL for one that is not UTC. */
static const char *skip_zone(const char *text)
{
        static const char *const heads[] = { "TZ=", "CRON_TZ=" };

        for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
                const char *zone = text + strlen(heads[i]);
                size_t len;

                if (strncmp(text, heads[i], strlen(heads[i])) != 0)
                        continue;
                len = strcspn(zone, WHITE);
                return is_utc(zone, len) ? zone + len + strspn(zone + len, WHITE) : NULL;
        }
        return text;
}

int cron_parse(const char *text, struct cron *ret, struct err *err)
{
        char copy[CRON_TEXT_MAX + 1];
        struct cron cron = { 0 };
        const char *rest;
        size_t len;
        int r;

        text += strspn(text, WHITE);
        len = strlen(text);
        while (len > 0 && strchr(WHITE, text[len - 1]))
                len--;
        if (len == 0 || len >= sizeof(copy))
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "schedule: it is %s",
                                len == 0 ? "empty" : "too long");
        memcpy(copy, text, len);
        copy[len] = '\0';
        rest = skip_zone(copy);
        if (!rest)
                return refuse(err, copy, "the only time zone that is known is UTC");
        r = *rest == '@' ? read_word(rest, &cron, err) : read_fields(copy, rest, &cron, err);
        if (r < 0)
                return r;
        if (cron_next(&cron, 0) == INT64_MAX)
                return refuse(err, copy, "there is no such day");
        *ret = cron;
        return 0;
}

/* ---- ticks ---- */

struct date {
        unsigned month, day, weekday;
};

/* The date of a day since 1970, by the rules of Howard Hinnant's "days from civil". */
static struct date date_of(int64_t days)
{
        int64_t shifted = days + 719468; /* from 1 March of the year 0 */
        int64_t of_era = shifted % 146097;
        int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
        int64_t month = (5 * of_year + 2) / 153;

        return (struct date){ (unsigned)(month < 10 ? month + 3 : month - 9),
                              (unsigned)(of_year - (153 * month + 2) / 5 + 1),
                              (unsigned)((days + 4) % 7) };
}

static bool has(uint64_t bits, unsigned n)
{
        return bits >> n & 1;
}

static bool is_day(const struct cron *cron, int64_t days)
{
        struct date date = date_of(days);
        bool day = has(cron->days, date.day), weekday = has(cron->weekdays, date.weekday);

        if (!has(cron->months, date.month))
                return false;
        return cron->any_day || cron->any_weekday ? day && weekday : day || weekday;
}

/* The first minute of a day that counts, from `from` on; -1: none. */
static int find_minute(const struct cron *cron, int from)
{
        for (int minute = from; minute < DAY_S / 60; minute++) {
                if (!has(cron->hours, (unsigned)minute / 60))
                        minute += 59 - minute % 60;
                else if (has(cron->minutes, (unsigned)minute % 60))
                        return minute;
        }
        return -1;
}

int64_t cron_next(const struct cron *cron, int64_t after_s)
{
        int64_t first_day = after_s / DAY_S;
        int from = (int)(after_s % DAY_S / 60) + 1;

        if (cron->every_s > 0)
                return after_s + cron->every_s;
        for (int64_t day = first_day; day < first_day + DAYS_MAX; day++, from = 0) {
                int minute = is_day(cron, day) ? find_minute(cron, from) : -1;

                if (minute >= 0)
                        return day * DAY_S + (int64_t)minute * 60;
        }
        return INT64_MAX;
}
