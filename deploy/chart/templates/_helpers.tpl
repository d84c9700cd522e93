{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- define "name" -}}
{{- .Values.fullnameOverride | default .Values.nameOverride | default .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "account" -}}
{{- .Values.serviceAccount.name | default (include "name" .) }}
{{- end }}

{{- define "image" -}}
{{- with .Values.global.systemDefaultRegistry }}{{ trimSuffix "/" . }}/{{ end }}
{{- .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* A directory of the node, as its value has it but for a slash at the end. */ -}}
{{- define "binDir" -}}
{{- .Values.cniConf.binDir | trimSuffix "/" }}
{{- end }}

{{- define "confDir" -}}
{{- .Values.cniConf.confDir | trimSuffix "/" }}
{{- end }}

{{- /* A binding of a role to an account of the same kind: (list $ KIND NAME ACCOUNT). */ -}}
{{- define "binding" -}}
{{- $top := index . 0 }}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ index . 1 }}Binding
metadata:
  name: {{ index . 2 }}
  {{- if eq (index . 1) "Role" }}
  namespace: {{ include "namespace" $top }}
  {{- end }}
  labels:
    app: {{ include "name" $top }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ index . 1 }}
  name: {{ index . 2 }}
subjects:
- kind: ServiceAccount
  name: {{ index . 3 }}
  namespace: {{ include "namespace" $top }}
{{- end }}
