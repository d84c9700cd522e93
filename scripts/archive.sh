# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by static and release, after common.sh: Debian's packages for either architecture, unpacked into
# a directory, and Debian's source packages. The lists are our own: the system's apt and dpkg stay as they
# are, no architecture is added to them, and it does not matter which versions are installed. What gets
# linked is always the newest, with its security updates.

declare -A triplets=([amd64]=x86_64-linux-gnu [arm64]=aarch64-linux-gnu)

# What is linked into the releases, and the image's shell. gcc-12-base has libgcc's licence.
sysroot_packages="libc6-dev linux-libc-dev musl-dev libssl-dev libyaml-dev libnghttp2-dev libc-ares-dev
    zlib1g-dev busybox-static gcc-12-base"

lists_good=1440 # minutes
apt_home=
apt_options=()

# apt_use ARCH: what follows is for this architecture.
apt_use() {
    local file
    apt_home=$CACHE/apt-$1
    mkdir -p "$apt_home"/{sources,lists/partial,cache}
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] && sed 's/^Types:.*/Types: deb deb-src/' "$file" >"$apt_home/sources/${file##*/}"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$file" ] && sed -nE 's/^deb (.*)/deb \1\ndeb-src \1/p' "$file" >"$apt_home/sources/${file##*/}.list"
    done
    apt_options=(-qq -o APT::Architecture="$1" -o APT::Architectures="$1" -o APT::Sandbox::User=root
        -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt_home/sources"
        -o Dir::State::Lists="$apt_home/lists" -o Dir::State::Status=/dev/null
        -o Dir::Cache="$apt_home/cache" -o APT::Get::List-Cleanup=0 -o Acquire::Retries=3)
}

apt_get() { apt-get "${apt_options[@]}" "$@"; }

apt_update() {
    apt_get update
    touch "$apt_home/updated"
}

lists_are_good() { [ -n "$(find "$apt_home/updated" -mmin "-$lists_good" 2>/dev/null)" ]; }

# source_version PACKAGE: the newest.
source_version() {
    apt-cache "${apt_options[@]}" showsrc --only-source "$1" | sed -n 's/^Version: //p' | sort -V | tail -n 1
}

# fetch_source DIRECTORY PACKAGE VERSION: the source package, unpacked.
fetch_source() {
    mkdir -p "$1"
    cd "$1" || return
    apt_get --only-source source "$2=$3"
}

# ---- the sysroot of an architecture ----

# sysroot: prints where the packages are unpacked. What is there serves while the lists are good, and
# longer where no archive can be reached.
sysroot() {
    local out
    exec 8>"$apt_home/lock"
    flock 8
    lists_are_good || apt_update >&2 || [ -f "$apt_home/updated" ]
    out=$(sysroot_name)
    if ! [ -d "$out" ]; then
        apt_update >&2
        out=$(sysroot_name)
        [ -d "$out" ] || make_sysroot "$out" >&2
    fi
    exec 8>&-
    printf '%s\n' "$out"
}

# sysroot_name: by the files that the packages are now, with their checksums, and by the recipe.
sysroot_name() {
    local stamp
    # shellcheck disable=SC2086
    stamp=$({
        apt_get --print-uris download $sysroot_packages | sort
        declare -f make_sysroot make_compilers
    } | sha256sum)
    printf '%s/static/sysroot-%s-%s\n' "$CACHE" "${apt_home##*-}" "${stamp:0:12}"
}

# make_sysroot OUT: all or nothing. Shared libraries go, since nothing may be linked with them; a .pc file
# says where it is.
make_sysroot() (
    arch=${apt_home##*-}
    mkdir -p "$CACHE/static"
    tmp=$(mktemp -d "$CACHE/static/.build.XXXXXX")
    trap 'rm -rf "$tmp"' EXIT
    mkdir "$tmp/root" "$tmp/debs"
    cd "$tmp/debs" || return
    # shellcheck disable=SC2086
    apt_get download $sysroot_packages
    for deb in *.deb; do
        dpkg-deb -x "$deb" "$tmp/root"
        # shellcheck disable=SC2016
        dpkg-deb -W --showformat '${Package} ${source:Package} ${source:Version}\n' "$deb"
    done | sort >"$tmp/root/packages"
    chmod 755 "$tmp/root"
    find "$tmp/root/usr/lib" -name '*.so' -delete
    find "$tmp/root/usr/lib" -name '*.pc' -exec sed -i "s,^prefix=/usr,prefix=$1/usr," {} +
    make_compilers "$tmp/root" "$1" "${triplets[$arch]}"
    mv -T "$tmp/root" "$1"
)

# make_compilers ROOT OUT TRIPLET: ROOT/gcc and ROOT/musl-gcc, which will be in OUT. -B comes before the
# compiler's own places, where another glibc may be.
make_compilers() {
    local musl=usr/lib/${3/gnu/musl}
    sed -i "s,/usr/,$2/usr/,g" "$1/$musl/musl-gcc.specs"
    printf '#!/bin/sh\nexec %s-gcc --sysroot=%s -B%s/usr/lib/%s "$@"\n' "$3" "$2" "$2" "$3" >"$1/gcc"
    printf '#!/bin/sh\nexec %s-gcc -specs=%s/%s/musl-gcc.specs "$@"\n' "$3" "$2" "$musl" >"$1/musl-gcc"
    chmod 755 "$1/gcc" "$1/musl-gcc"
}
