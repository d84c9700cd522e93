# SPDX-License-Identifier: Apache-2.0
"""A network's configuration is a tenant's, and the program is root's: what it opens for him, and what it tells.

Every file that must not be read holds a secret, which must be in no word that any call says.
"""

import base64
import itertools
import os
import stat

import pytest

import crowd
import harness
from apiserver import kubeconfig_text
from crowd import Pod, held, network, until_asked
from node import CONF_DIR
from proxy import answer, cut, is_request

SECRET = "s3cr3tM4rk"
TENANT = 4711
OUTSIDE = "/var/tenant"  # the node's own, and below no allowed root
VERBS = ("ADD", "DEL", "CHECK", "STATUS", "GC")


def config_of(ipam, version="1.1.0"):
    config = network(version=version, range="10.0.0.0/24", log_level="debug", **ipam)
    config["prevResult"] = {"cniVersion": version, "ips": [{"address": "10.0.0.1/24"}]}
    config["cni.dev/valid-attachments"] = []
    return config


def said(outcome):
    return outcome.out.decode(errors="replace") + outcome.err.decode(errors="replace")


def refused(node, ipam, path, verbs=VERBS):
    """Each verb fails, names the path, and tells nothing of what is there."""
    for verb in verbs:
        outcome = Pod(node, "pod", config_of(ipam)).call(verb)
        assert outcome.rc == 1, (verb, outcome)
        assert path in outcome.msg + outcome.details, (verb, outcome)
        assert SECRET not in said(outcome), (verb, outcome)


@pytest.fixture
def place(node):
    """The node, with a directory that a tenant may write to."""
    path = node.path(OUTSIDE)
    path.mkdir(mode=0o755)
    return node


def secret_text(kind, api):
    """Files that would work if they were opened, and files that would not."""
    kubeconfig = kubeconfig_text(api.url, api.account_token, api.pki.ca.read_bytes())
    return {
        "kubeconfig": kubeconfig.replace("# Written for a test.", f"# {SECRET}"),
        "conf": f'{{"kubernetes": {{"kubeconfig": "{CONF_DIR}/whereabouts.kubeconfig"}}, "note": "{SECRET}"}}',
        "shadow": f"root:{SECRET}:19000:0:99999:7:::\n",
        "number": SECRET.replace("s", "5"),
    }[kind]


# ---- bad places: (how to make it) -> the path to give ----


def outside(node, text):
    node.write(f"{OUTSIDE}/file", text, 0o644)
    return f"{OUTSIDE}/file"


def in_tmp(node, text):
    node.write("/var/tmp-node/file", text)
    return "/var/tmp-node/file"


def world_writable_directory(node, text):
    node.write("/etc/cni/open/file", text, 0o644)
    node.path("/etc/cni/open").chmod(0o777)
    return "/etc/cni/open/file"


def sticky_directory(node, text):
    node.write("/etc/cni/sticky/file", text, 0o644)
    node.path("/etc/cni/sticky").chmod(0o1777)
    os.chown(node.path("/etc/cni/sticky/file"), TENANT, TENANT)
    return "/etc/cni/sticky/file"


def group_writable_file(node, text):
    node.write("/etc/cni/file", text, 0o664)
    os.chown(node.path("/etc/cni/file"), 0, TENANT)
    return "/etc/cni/file"


def world_writable_file(node, text):
    node.write("/etc/cni/file", text, 0o666)
    return "/etc/cni/file"


def tenants_file(node, text):
    node.write("/etc/cni/file", text, 0o644)
    os.chown(node.path("/etc/cni/file"), TENANT, TENANT)
    return "/etc/cni/file"


def tenants_directory(node, text):
    node.write("/etc/cni/dir/file", text)
    os.chown(node.path("/etc/cni/dir"), TENANT, TENANT)
    return "/etc/cni/dir/file"


def tenants_link(node, text):
    node.write("/etc/cni/file", text)
    os.symlink("/etc/cni/file", node.path("/etc/cni/link"))
    os.chown(node.path("/etc/cni/link"), TENANT, TENANT, follow_symlinks=False)
    return "/etc/cni/link"


def link_to_outside(node, text):
    node.path(OUTSIDE).chmod(0o777)
    node.write(f"{OUTSIDE}/file", text)
    os.symlink(f"{OUTSIDE}/file", node.path("/etc/cni/link"))
    return "/etc/cni/link"


def climbing(node, text):
    node.write(f"{OUTSIDE}/file", text)
    return f"/etc/cni/../..{OUTSIDE}/file"


def climbing_inside(node, text):
    node.write("/etc/cni/file", text)
    return "/etc/cni/net.d/../file"


def relative(node, text):
    node.write("/etc/cni/file", text)
    return "etc/cni/file"


def through_proc(node, text):
    node.write("/etc/cni/file", text)
    return "/proc/self/root/etc/cni/file"


def look_alike_root(node, text):
    node.write("/var/lib/cni-tenant/file", text)
    return "/var/lib/cni-tenant/file"


BAD = [outside, in_tmp, world_writable_directory, sticky_directory, group_writable_file, world_writable_file,
       tenants_file, tenants_directory, tenants_link, link_to_outside, climbing, climbing_inside, relative,
       through_proc, look_alike_root]


@pytest.mark.parametrize("make", BAD)
@pytest.mark.parametrize("kind", ["conf", "shadow"])
def test_configuration_path(api, place, make, kind):
    path = make(place, secret_text(kind, api))
    refused(place, {"configuration_path": path}, path)
    crowd.empty(api)


@pytest.mark.parametrize("make", [outside, in_tmp, world_writable_directory, tenants_directory, climbing,
                                  look_alike_root])
def test_the_directory_of_a_flat_file(api, place, make):
    path = make(place, secret_text("conf", api))
    place.path(path).rename(place.path(path).with_name("whereabouts.conf"))
    refused(place, {"configuration_path": path.removesuffix("/file")}, path.removesuffix("/file"))


@pytest.mark.parametrize("make", BAD)
@pytest.mark.parametrize("kind", ["kubeconfig", "shadow"])
def test_kubeconfig(api, place, make, kind):
    path = make(place, secret_text(kind, api))
    refused(place, {"kubernetes": {"kubeconfig": path}}, path)
    crowd.empty(api)


NAMED = ["certificate-authority", "tokenFile", "client-certificate", "client-key"]


@pytest.mark.parametrize("make", BAD)
@pytest.mark.parametrize("member", NAMED)
def test_files_that_a_kubeconfig_names(api, place, make, member):
    """Such as one in a good place, whose author was careless."""
    if make is relative:  # relative to the kubeconfig: a path of its own, which is good
        return
    pem = f"-----BEGIN CERTIFICATE-----\n{SECRET}\n-----END CERTIFICATE-----\n"
    path = make(place, SECRET if member == "tokenFile" else pem)
    place.write(f"{CONF_DIR}/cert.pem", api.pki.ca.read_text())
    place.write("/etc/cni/named.kubeconfig", naming(api, member, path))
    refused(place, {"kubernetes": {"kubeconfig": "/etc/cni/named.kubeconfig"}}, path)


def naming(api, member, path):
    """A kubeconfig in which a file stands for one of the things."""
    text = kubeconfig_text(api.url, api.account_token, api.pki.ca.read_bytes())
    if member == "certificate-authority":
        old = f"certificate-authority-data: {base64.b64encode(api.pki.ca.read_bytes()).decode()}"
        return text.replace(old, f"certificate-authority: {path}")
    new = {"tokenFile": f"tokenFile: {path}",
           "client-certificate": f"client-certificate: {path}\n    client-key: {path}",
           "client-key": f"client-certificate: {CONF_DIR}/cert.pem\n    client-key: {path}"}[member]
    return text.replace(f'token: "{api.account_token}"', new)


def test_a_relative_path_in_a_kubeconfig_that_climbs_out(api, place):
    place.write(f"{OUTSIDE}/token", SECRET)
    place.write("/etc/cni/named.kubeconfig", naming(api, "tokenFile", f"../..{OUTSIDE}/token"))
    refused(place, {"kubernetes": {"kubeconfig": "/etc/cni/named.kubeconfig"}}, "token")


@pytest.mark.parametrize("member", NAMED)
def test_a_file_of_another_kind_is_not_shown(api, place, member):
    """/etc/shadow is root's and below /etc: it passes the walk, but is no certificate and no token."""
    place.write("/etc/cni/like-shadow", secret_text("shadow", api) * 3)
    place.write(f"{CONF_DIR}/cert.pem", api.pki.ca.read_text())
    place.write("/etc/cni/named.kubeconfig", naming(api, member, "/etc/cni/like-shadow"))
    for verb in ("ADD", "DEL", "CHECK"):
        outcome = Pod(place, "pod", config_of({"kubernetes": {"kubeconfig": "/etc/cni/named.kubeconfig"}})).call(verb)
        assert SECRET not in said(outcome), outcome
        if verb == "ADD":
            assert outcome.rc == 1, outcome


@pytest.mark.parametrize("what", ["configuration_path", "kubeconfig"])
@pytest.mark.parametrize("kind", ["shadow", "number"])
def test_a_file_that_passes_but_is_something_else_is_not_shown(api, place, what, kind):
    place.write("/etc/cni/like-shadow", secret_text(kind, api))
    ipam = ({"configuration_path": "/etc/cni/like-shadow"} if what == "configuration_path" else
            {"kubernetes": {"kubeconfig": "/etc/cni/like-shadow"}})
    refused(place, ipam, "/etc/cni/like-shadow")


@pytest.mark.parametrize("text", [
    f'{{"kubernetes": {{"kubeconfig": ["{SECRET}"]}}}}', f'{{"kubernetes": "{SECRET}"}}', f'{{"{SECRET}": 1,',
    f'["{SECRET}"]', f'"{SECRET}"', f'{{"range": "{SECRET}", "kubernetes": {{"kubeconfig": "/etc/x"}}}}' + SECRET,
    f'{{"leader_lease_duration": "{SECRET}"}}', f'{{"log_level": {{"{SECRET}": 1}}}}',
])
def test_configuration_that_makes_no_sense_is_not_shown(place, text):
    place.write("/etc/cni/odd", text)
    refused(place, {"configuration_path": "/etc/cni/odd"}, "/etc/cni/odd", ("ADD", "STATUS"))
    for verb in ("DEL", "CHECK", "GC"):  # which do without what they do not need
        assert SECRET not in said(Pod(place, "pod", config_of({"configuration_path": "/etc/cni/odd"})).call(verb))


@pytest.mark.parametrize("text", [
    f"apiVersion: v1\nkind: {SECRET}\n", f"{SECRET}\n", f"- {SECRET}\n", f"users: {SECRET}\n",
    f"users: [{{name: {SECRET}, user: {{token: [{SECRET}]}}}}]\n"
    f"contexts: [{{name: a, context: {{user: {SECRET}}}}}]\ncurrent-context: a\n",
    f"a: &x {SECRET}\nb: *y\n", f"a: '{SECRET}\n", f"{SECRET}: {SECRET}\n{SECRET}: 1\n", f"current-context: {SECRET}\n",
])
def test_a_kubeconfig_that_makes_no_sense_is_not_shown(place, text):
    place.write("/etc/cni/odd", text)
    refused(place, {"kubernetes": {"kubeconfig": "/etc/cni/odd"}}, "/etc/cni/odd", ("ADD", "DEL", "STATUS"))


def test_things_that_are_no_files(place):
    os.mkfifo(place.path("/etc/cni/pipe"), 0o600)
    for path in ("/etc/cni/pipe", "/dev/zero", "/etc/cni", "/proc/self/environ"):
        refused(place, {"kubernetes": {"kubeconfig": path}}, path, ("ADD", "STATUS"))
        if path != "/etc/cni":  # a directory without the file: the defaults count
            refused(place, {"configuration_path": path}, path, ("ADD", "STATUS"))


# ---- what may be ----


def works(api, node, **ipam):
    pod = Pod(node, "pod", config_of(ipam))
    crowd.succeeded([pod.call("ADD")])
    crowd.held_by(api, [pod])
    assert pod.call("DEL").rc == 0
    crowd.empty(api)


def test_a_root_that_the_administrator_adds(api, place):
    text = secret_text("kubeconfig", api)
    place.write(f"{OUTSIDE}/my/kubeconfig", text)
    ipam = {"kubernetes": {"kubeconfig": f"{OUTSIDE}/my/kubeconfig"}}
    refused(place, ipam, f"{OUTSIDE}/my/kubeconfig")
    place.write("/etc/cni-ipam.conf", f"# mine\nroot = {OUTSIDE}/my\n", 0o644)
    works(api, place, **ipam)
    # What is beside it is not below it, and who may write there counts as before.
    place.write(f"{OUTSIDE}/my2/kubeconfig", text)
    refused(place, {"kubernetes": {"kubeconfig": f"{OUTSIDE}/my2/kubeconfig"}}, f"{OUTSIDE}/my2")
    place.path(f"{OUTSIDE}/my").chmod(0o777)
    refused(place, ipam, f"{OUTSIDE}/my")
    place.path(f"{OUTSIDE}/my").chmod(0o755)
    os.chown(place.path("/etc/cni-ipam.conf"), TENANT, TENANT)
    refused(place, ipam, "/etc/cni-ipam.conf")


def test_a_bad_file_of_roots_says_so(place):
    place.write("/etc/cni-ipam.conf", f"# {SECRET}\nroute = /x\n", 0o644)
    refused(place, {}, "/etc/cni-ipam.conf")


def test_roots_own_links_are_followed(api, place):
    """Operators move directories to other disks."""
    place.write("/etc/other-disk/cni/whereabouts.kubeconfig", secret_text("kubeconfig", api))
    os.symlink("/etc/other-disk/cni", place.path("/etc/cni/linked"))
    works(api, place, kubernetes={"kubeconfig": "/etc/cni/linked/whereabouts.kubeconfig"})


def test_the_directory_or_the_file_as_configuration_path(api, place):
    place.write("/opt/cni/mine/whereabouts.conf", place.path(place.conf).read_text())
    place.path(place.conf).unlink()
    works(api, place, configuration_path="/opt/cni/mine")
    works(api, place, configuration_path="/opt/cni/mine/whereabouts.conf")


@pytest.mark.parametrize("member", ["certificate-authority", "tokenFile"])
def test_good_files_that_a_kubeconfig_names(api, place, member):
    content = api.account_token + "\n" if member == "tokenFile" else api.pki.ca.read_text()
    place.write("/etc/cni/good", content)
    for path in ("/etc/cni/good", "good"):
        place.write("/etc/cni/named.kubeconfig", naming(api, member, path))
        works(api, place, kubernetes={"kubeconfig": "/etc/cni/named.kubeconfig"})


# ---- a kubeconfig that wants more than is good ----


@pytest.mark.parametrize("user, what", [
    ("exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/touch, args: [/var/touched]}", "exec"),
    (f"username: admin\n    password: {SECRET}", "basic"),
    (f"auth-provider: {{name: {SECRET}}}", "auth-provider"),
    (f"as: {SECRET}", "impersonation"), (f"as-uid: {SECRET}", "impersonation"),
    (f"as-groups: [{SECRET}]", "impersonation"), (f"as-user-extra: {{a: [{SECRET}]}}", "impersonation"),
])
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a token"])
def test_what_is_not_supported_is_said(api, place, user, what, beside):
    token = f'token: "{api.account_token}"'
    text = kubeconfig_text(api.url, api.account_token, api.pki.ca.read_bytes())
    place.write("/etc/cni/k", text.replace(token, f"{token}\n    {user}" if beside else user))
    for verb in VERBS:
        outcome = Pod(place, "pod", config_of({"kubernetes": {"kubeconfig": "/etc/cni/k"}})).call(verb)
        assert outcome.rc == 1 and outcome.code in (999, 50), outcome
        assert "/etc/cni/k" in outcome.msg and what in outcome.msg.lower() and "not supported" in outcome.msg, outcome
        assert SECRET not in said(outcome) and api.account_token not in said(outcome)
    assert not place.path("/var/touched").exists()
    crowd.empty(api)


# ---- logs ----


BAD_LOGS = ["/etc/cron.d/job", "/var/log/../lib/cni/x", "/var/logs/x", f"{OUTSIDE}/log",
            "/proc/sys/kernel/core_pattern"]


@pytest.mark.parametrize("path", BAD_LOGS)
def test_a_tenants_log_file_elsewhere_is_ignored(api, place, path):
    """With one line that says so; the call itself is good."""
    before = place.path(path).read_bytes() if place.path(path).exists() else None
    pod = Pod(place, "pod", network(range="10.0.0.0/24", log_file=path))
    outcome = pod.call("ADD")
    crowd.succeeded([outcome])
    assert outcome.err.count(b"\n") == 1 and b"log_file" in outcome.err, outcome
    after = place.path(path).read_bytes() if place.path(path).exists() else None
    assert before == after


@pytest.mark.parametrize("how", ["link", "link in a directory", "hard link", "fifo"])
def test_a_tenants_log_file_is_no_way_to_another_file(api, place, how):
    """A tenant who may write below /var/log, such as in a pod's log directory, cannot make us write elsewhere."""
    victim = place.path("/etc/victim")
    place.write("/etc/victim", "as it was\n")
    log = place.path("/var/log")
    (log / "pods").mkdir()
    os.chown(log / "pods", TENANT, TENANT)
    path = "/var/log/pods/log"
    if how == "link":
        os.symlink("/etc/victim", log / "pods/log")
        os.chown(log / "pods/log", TENANT, TENANT, follow_symlinks=False)
    elif how == "link in a directory":
        os.symlink("/etc", log / "pods/dir")
        os.chown(log / "pods/dir", TENANT, TENANT, follow_symlinks=False)
        path = "/var/log/pods/dir/victim"
    elif how == "hard link":
        place.write("/var/log/other", "as it was\n")
        os.link(log / "other", log / "pods/log")
        victim = log / "other"
    else:
        os.mkfifo(log / "pods/log", 0o666)
    pod = Pod(place, "pod", network(range="10.0.0.0/24", log_file=path, log_level="debug"))
    crowd.succeeded([pod.call("ADD", timeout=20)])
    if how != "hard link":  # fs.protected_hardlinks is the kernel's affair
        assert victim.read_text() == "as it was\n"


def test_a_tenants_log_file_below_var_log(api, place):
    pod = Pod(place, "pod", network(range="10.0.0.0/24", log_file="/var/log/mine.log", log_level="debug"))
    outcome = pod.call("ADD")
    crowd.succeeded([outcome])
    mode = place.path("/var/log/mine.log").stat().st_mode
    assert stat.S_ISREG(mode) and not mode & 0o022


def test_credentials_are_in_no_log(api, nodes, proxy):
    """Everything at the level debug, with good and bad answers; no piece of the token is anywhere."""
    node = nodes(1, server=proxy.url, log_file="/var/log/whereabouts.log", log_level="debug")[0]
    pod = Pod(node, "pod", config_of({}))
    heard = []
    for fault in (None, answer(401), answer(403), answer(422), cut(), answer(400)):
        for verb in VERBS:
            if fault is not None:
                proxy.fault(is_request(), fault)
            heard.append(said(pod.call(verb)))
            proxy.reset()
    with_bad_token = api.account_token[:-4] + "AAAA"
    node.configure(api, token=with_bad_token, log_file="/var/log/whereabouts.log", log_level="debug")
    heard += [said(pod.call(verb)) for verb in VERBS]
    files = [p for p in itertools.chain(node.path("/var/log").rglob("*"), node.path("/var/lib/cni").rglob("*"),
                                        node.path("/run/cni-ipam").rglob("*")) if p.is_file()]
    heard += [p.read_text(errors="replace") for p in files]
    assert files
    for piece in (api.account_token, with_bad_token, *api.account_token.split(".")[1:]):
        assert not any(piece in text for text in heard), piece


def test_credentials_are_not_to_be_seen_in_the_process(api, nodes, proxy):
    """Neither among its arguments nor in its environment."""
    node = nodes(1, server=proxy.url)[0]
    when = is_request("GET", "/leases")
    with held(proxy, when):
        process = Pod(node, "pod", config_of({})).start("ADD")
        until_asked(proxy, when)
        for name in ("cmdline", "environ"):
            with open(f"/proc/{process.pid}/{name}", "rb") as file:
                assert api.account_token.encode() not in file.read()
    crowd.succeeded([harness.finish(process)])
