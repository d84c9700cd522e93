# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by install-cni.sh and token-watcher.sh, which charts of the Go whereabouts start by these names.
# All work is the program's: it reads the same variables. Nothing here changes the shell's options, since a
# chart goes on in the same shell.

account=/var/run/secrets/kubernetes.io/serviceaccount

# The program, the kubeconfig and the other files, once. What is right already is left alone.
install_all() { /whereabouts node --once; }

# The files alone.
write_files() { /whereabouts node --once --no-install; }

# What the files are made from, and what changes while a pod runs; what is not there counts as well.
credentials() { cat "$account/token" "${KUBE_CA_FILE:-$account/ca.crt}" 2>&1 | md5sum; }
