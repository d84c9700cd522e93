/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of whereabouts.d, and the account's token.
 *
 * The token's life is counted from the answer on our own clock: the server says how many seconds it
 * gives, and its idea of the time does not matter.
 */
#include "credentials.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/fs.h"
#include "k8s.h"

#define DEFAULT_CONF_DIR "/host/etc/cni/net.d"
#define DEFAULT_CRON     "30 4 * * *"
#define DEFAULT_MODE     "600"
#define DIRECTORY        "whereabouts.d"
#define TOKEN_NAME       "token"
#define FLAT_NAME        "whereabouts.conf"
#define BAD_NAME         FLAT_NAME ".bad"
#define NODENAME_NAME    "nodename"

#define LIFE_S        (24 * 60 * 60) /* that is asked for */
#define CONNECT_MS    3000
#define REQUEST_MS    10000
#define AGAIN_AWAY_MS 15000 /* after no certain answer */
#define AGAIN_MS      60000 /* after one that says no */
#define LOCK_WAIT_MS  10000U
#define FILES         4

/* How asking for the account's token went last. */
enum asked {
        ASKED_WELL, /* or not yet */
        ASKED_AWAY,
        ASKED_REFUSED,
};

struct credentials {
        char *dir, *kubeconfig, *flat; /* paths as seen from here; owned */
        const char *host_dir;          /* the directory as the host sees it; inside `dir` */
        const char *node_name, *cron, *account; /* borrowed; NULL: none */
        mode_t mode;

        char *token;                /* the account's; NULL: none yet; owned */
        int64_t due_ms, expires_ms; /* when to ask for the next one; its end */
        enum asked asked;
};

static const char *or_default(const char *text, const char *otherwise)
{
        return text && *text ? text : otherwise;
}

static void free_secret(char *text)
{
        if (text)
                explicit_bzero(text, strlen(text));
        free(text);
}

struct credentials_settings credentials_environment(void)
{
        return (struct credentials_settings){
                .conf_dir = getenv("CNI_CONF_DIR"),
                .node_name = getenv("NODENAME"),
                .cron = getenv("WHEREABOUTS_RECONCILER_CRON"),
                .account = getenv("WHEREABOUTS_ACCOUNT"),
                .mode = getenv("KUBECONFIG_MODE"),
        };
}

/* ---- settings ---- */

/* An octal mode that the plugin's trust rule lets pass. */
static int parse_mode(const char *text, mode_t *ret, struct err *err)
{
        size_t len = strlen(text);
        mode_t mode = 0;

        if (len == 0 || len > 4 || text[strspn(text, "01234567")] != '\0')
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "KUBECONFIG_MODE must be an octal number such as 600");
        for (; *text; text++)
                mode = mode << 3 | (mode_t)(*text - '0');
        if ((mode & ~(mode_t)0755) || !(mode & 0400))
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "KUBECONFIG_MODE must let root read and nobody else write");
        *ret = mode;
        return 0;
}

int credentials_new(const struct credentials_settings *settings, struct credentials **ret,
                    struct err *err)
{
        const char *conf_dir = or_default(settings->conf_dir, DEFAULT_CONF_DIR);
        _cleanup_(credentials_freep) struct credentials *credentials = NULL;
        mode_t mode = 0;
        int r = parse_mode(or_default(settings->mode, DEFAULT_MODE), &mode, err);

        if (r < 0)
                return r;
        if (*conf_dir != '/')
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "CNI_CONF_DIR must be an absolute path");
        credentials = calloc(1, sizeof(*credentials));
        if (!credentials)
                return err_oom(err);
        credentials->mode = mode;
        credentials->node_name = or_default(settings->node_name, NULL);
        credentials->cron = or_default(settings->cron, DEFAULT_CRON);
        credentials->account = or_default(settings->account, NULL);
        credentials->due_ms = credentials->account ? 0 : INT64_MAX;
        credentials->dir = fs_join(conf_dir, DIRECTORY);
        if (!credentials->dir)
                return err_oom(err);
        credentials->host_dir = credentials_host_path(credentials->dir);
        credentials->kubeconfig = fs_join(credentials->dir, CREDENTIALS_KUBECONFIG_NAME);
        credentials->flat = fs_join(credentials->dir, FLAT_NAME);
        if (!credentials->kubeconfig || !credentials->flat)
                return err_oom(err);
        *ret = TAKE_PTR(credentials);
        return 0;
}

void credentials_free(struct credentials *credentials)
{
        if (!credentials)
                return;
        free(credentials->dir);
        free(credentials->kubeconfig);
        free(credentials->flat);
        free_secret(credentials->token);
        free(credentials);
}

const char *credentials_kubeconfig_path(const struct credentials *credentials)
{
        return credentials->kubeconfig;
}

const char *credentials_flat_path(const struct credentials *credentials)
{
        return credentials->flat;
}

int64_t credentials_due_ms(const struct credentials *credentials)
{
        return credentials->due_ms;
}

/* ---- the account's token ---- */

static int take_answer(struct credentials *credentials, const struct k8s_request *request,
                       struct err *err)
{
        char *token = NULL;
        int64_t life_s = 0, now_ms = clock_boot_ms();
        int r = credentials_read_answer(buf_text(&request->answer), request->answer.len, &token,
                                        &life_s, err);

        if (r < 0) {
                k8s_blame_answer(request, err);
                return r;
        }
        if (life_s > LIFE_S)
                life_s = LIFE_S;
        free_secret(credentials->token);
        credentials->token = token;
        credentials->expires_ms = now_ms + life_s * 1000;
        credentials->due_ms = now_ms + life_s * 500;
        return 0;
}

/* Asks the server. -EIO with `ret_away` set tells that it gave no certain answer. */
static int ask(struct credentials *credentials, const struct kubeconfig *own, bool *ret_away,
               struct err *err)
{
        struct k8s_limits limits = k8s_limits_within(REQUEST_MS);
        _cleanup_(k8s_request_done) struct k8s_request request;
        _cleanup_(k8s_freep) struct k8s *k8s = NULL;
        int r;

        *ret_away = false;
        limits.connect_ms = CONNECT_MS;
        k8s_request_init(&request, K8S_POST, K8S_ACCOUNT, credentials->account);
        request.part = "token";
        buf_printf(&request.body,
                   "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenRequest\","
                   "\"spec\":{\"expirationSeconds\":%d}}",
                   LIFE_S);
        r = k8s_new(own, &k8s, err);
        if (r == 0)
                r = k8s_run_one(k8s, &request, &limits, err);
        if (r < 0)
                return r;
        *ret_away = request.end == K8S_AWAY || request.end == K8S_UNKNOWN;
        if (request.end != K8S_DONE)
                return k8s_error(&request, err);
        return take_answer(credentials, &request, err);
}

/* Renews the token if it is time. Returns whether it failed, and the server said so or was silent
 * for the first time. */
static bool renew(struct credentials *credentials, const struct kubeconfig *own, struct err *err)
{
        enum asked before = credentials->asked;
        bool away;

        if (!credentials->account || clock_boot_ms() < credentials->due_ms)
                return false;
        credentials->asked = ASKED_WELL;
        if (ask(credentials, own, &away, err) == 0)
                return false;
        credentials->asked = away ? ASKED_AWAY : ASKED_REFUSED;
        credentials->due_ms = clock_boot_ms() + (away ? AGAIN_AWAY_MS : AGAIN_MS);
        return credentials->asked != before;
}

/* The token that the file shall hold; NULL: the one that it holds. */
static const char *choose_token(const struct credentials *credentials, const struct kubeconfig *own,
                                int dirfd)
{
        if (credentials->token && clock_boot_ms() < credentials->expires_ms)
                return credentials->token;
        /* It was not made for this process, but it need not be at its end either. */
        if (credentials->asked == ASKED_AWAY && !credentials->token &&
            faccessat(dirfd, TOKEN_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return NULL;
        return own->token;
}

/* ---- files ---- */

/* What one file shall hold. */
struct content {
        const char *name;
        enum credentials_news news;
        const char *text;
        size_t len;
};

/* Opens a file that only root or we can have written. -EPERM: somebody else could. */
static int open_own(int dirfd, const char *name, struct stat *ret_st)
{
        _cleanup_(closep) int fd =
                openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, ret_st) < 0)
                return -errno;
        if (!S_ISREG(ret_st->st_mode) || (ret_st->st_uid != 0 && ret_st->st_uid != geteuid()) ||
            (ret_st->st_mode & 0002) || ((ret_st->st_mode & 0020) && ret_st->st_gid != 0))
                return -EPERM;
        return TAKE_FD(fd);
}

/* Whether the file is as it shall be. What cannot be read is not. */
static bool is_as_it_shall(int dirfd, const struct content *content, mode_t mode)
{
        _cleanup_(closep) int fd = -1;
        struct stat st = { 0 };
        struct buf buf;
        bool same;

        fd = open_own(dirfd, content->name, &st);
        if (fd < 0 || (st.st_mode & 07777) != mode || (uint64_t)st.st_size != content->len)
                return false;
        buf_init(&buf, content->len);
        same = fs_read(fd, &buf) == 0 && buf.len == content->len &&
               (buf.len == 0 || memcmp(buf.text, content->text, buf.len) == 0);
        buf_done(&buf);
        return same;
}

/* What composing needs and gives. */
struct files {
        struct content contents[FILES];
        size_t count;
        struct buf kubeconfig, flat;
        bool flat_is_bad; /* the former flat file */
};

static void files_done(struct files *files)
{
        buf_done(&files->kubeconfig);
        buf_done(&files->flat);
}

static void add_file(struct files *files, const char *name, enum credentials_news news,
                     const char *text, size_t len)
{
        files->contents[files->count++] = (struct content){ name, news, text, len };
}

/* Reads the former flat file. -ENOENT: there is none. */
static int read_flat(int dirfd, struct buf *ret)
{
        struct stat st;
        _cleanup_(closep) int fd = open_own(dirfd, FLAT_NAME, &st);

        return fd < 0 ? fd : fs_read(fd, ret);
}

/* A former file that makes no sense, or that others could have written, does not count. */
static int compose_flat(const struct credentials *credentials, int dirfd, struct files *files,
                        struct err *err)
{
        _cleanup_(buf_done) struct buf old;
        int r;

        buf_init(&old, CREDENTIALS_FLAT_MAX);
        r = read_flat(dirfd, &old);
        if (r == 0)
                r = credentials_compose_flat(buf_text(&old), old.len, credentials->host_dir,
                                             credentials->cron, &files->flat, err);
        if (r == 0)
                return 0;
        if (r == -ENOMEM)
                return err_oom(err);
        files->flat_is_bad = r != -ENOENT;
        return credentials_compose_flat(NULL, 0, credentials->host_dir, credentials->cron,
                                        &files->flat, err);
}

/* All that shall be there, in the order in which they are put in place: the token before what names
 * it. */
static int compose(const struct credentials *credentials, const struct kubeconfig *own,
                   const char *token, int dirfd, struct files *files, struct err *err)
{
        const char *node_name = credentials->node_name;
        int r = credentials_compose_kubeconfig(own, &files->kubeconfig, err);

        if (r == 0)
                r = compose_flat(credentials, dirfd, files, err);
        if (r < 0)
                return r;
        if (token)
                add_file(files, TOKEN_NAME, CREDENTIALS_TOKEN, token, strlen(token));
        add_file(files, CREDENTIALS_KUBECONFIG_NAME, CREDENTIALS_KUBECONFIG, files->kubeconfig.text,
                 files->kubeconfig.len);
        add_file(files, FLAT_NAME, CREDENTIALS_FLAT, files->flat.text, files->flat.len);
        if (node_name)
                add_file(files, NODENAME_NAME, CREDENTIALS_NODENAME, node_name, strlen(node_name));
        return 0;
}

static int keep_bad_flat(int dirfd, struct err *err)
{
        if ((unlinkat(dirfd, BAD_NAME, 0) < 0 && errno != ENOENT) ||
            linkat(dirfd, FLAT_NAME, dirfd, BAD_NAME, 0) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "keep " FLAT_NAME " as " BAD_NAME);
        return 0;
}

static int write_differing(const struct credentials *credentials, int dirfd,
                           const struct files *files, unsigned *news, struct err *err)
{
        struct fs_file differing[FILES];
        unsigned written = 0;
        size_t count = 0;
        int r = 0;

        for (size_t i = 0; i < files->count; i++) {
                const struct content *content = &files->contents[i];

                if (is_as_it_shall(dirfd, content, credentials->mode))
                        continue;
                written |= content->news;
                differing[count++] =
                        (struct fs_file){ content->name, content->text, content->len, true };
        }
        if (files->flat_is_bad) {
                written |= CREDENTIALS_FLAT_BAD;
                r = keep_bad_flat(dirfd, err);
        }
        if (r == 0 && count > 0)
                r = fs_replace_all(dirfd, differing, count, credentials->mode, err);
        if (r == 0)
                *news |= written;
        return r;
}

/* Opens the directory and keeps other writers of these files out until it is closed. What has the
 * name of a temporary file then, was left by one that was killed. */
static int open_directory(const struct credentials *credentials, int *ret, struct err *err)
{
        static const char *const names[FILES] = { TOKEN_NAME, CREDENTIALS_KUBECONFIG_NAME,
                                                  FLAT_NAME, NODENAME_NAME };
        _cleanup_(closep) int fd = -1;
        int r = fs_make_directories(credentials->dir, 0755, err);

        if (r < 0)
                return r;
        fd = open(credentials->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open %s", credentials->dir);
        r = fs_lock(fd, LOCK_WAIT_MS);
        if (r != 0)
                return err_set(err, r == FS_BUSY ? -EBUSY : r, CNI_ERR_IO, "lock %s",
                               credentials->dir);
        for (size_t i = 0; i < FILES && r == 0; i++)
                r = fs_remove_temporary(fd, names[i], err);
        if (r == 0)
                *ret = TAKE_FD(fd);
        return r;
}

static int write_files(const struct credentials *credentials, const struct kubeconfig *own,
                       int dirfd, unsigned *news, struct err *err)
{
        _cleanup_(files_done) struct files files = { 0 };
        int r;

        buf_init(&files.kubeconfig, 2 * CREDENTIALS_FLAT_MAX);
        buf_init(&files.flat, 2 * CREDENTIALS_FLAT_MAX);
        r = compose(credentials, own, choose_token(credentials, own, dirfd), dirfd, &files, err);
        if (r == 0)
                r = write_differing(credentials, dirfd, &files, news, err);
        return r;
}

/* Says what the plugin has instead. */
static void explain(const struct credentials *credentials, const struct kubeconfig *own, int dirfd,
                    struct err *warning)
{
        const char *token = choose_token(credentials, own, dirfd), *instead;

        if (!token)
                instead = "the one that is in the file stays";
        else if (token == own->token)
                instead = "the pod's own is used";
        else
                instead = "the former one is used until its end";
        err_wrap(warning, "no new token for serviceaccount %s, %s: ", credentials->account,
                 instead);
}

int credentials_refresh(struct credentials *credentials, const struct kubeconfig *own,
                        struct credentials_pass *ret, struct err *err)
{
        struct credentials_pass pass = { 0 };
        _cleanup_(closep) int dirfd = -1;
        bool failed = renew(credentials, own, &pass.warning);
        int r = open_directory(credentials, &dirfd, err);

        if (r < 0)
                return r;
        if (failed) {
                pass.news |= CREDENTIALS_WARNING;
                explain(credentials, own, dirfd, &pass.warning);
        }
        r = write_files(credentials, own, dirfd, &pass.news, err);
        if (r < 0) {
                err_wrap(err, "%s: ", credentials->dir);
                return r;
        }
        *ret = pass;
        return 0;
}
