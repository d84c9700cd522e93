// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Names the program that go.mod and go.sum are complete for.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
