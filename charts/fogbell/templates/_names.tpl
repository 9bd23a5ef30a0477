{{/* What objects are called, and the labels they carry. */}}

{{- define "fogbell.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change: what Services, policies and Deployments select by.
     dict: root, component, and for a worker: pool. */}}
{{- define "fogbell.selector" -}}
app.kubernetes.io/name: fogbell
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .pool }}
fogbell.dev/pool: {{ . }}
{{- end }}
{{- end -}}

{{/* All labels of an object. dict: root, component, pool. */}}
{{- define "fogbell.labels" -}}
{{ include "fogbell.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* name, namespace and labels. dict: root, component, name, pool. */}}
{{- define "fogbell.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "fogbell.labels" . | nindent 2 }}
{{- end -}}

{{/* dict: root, component */}}
{{- define "fogbell.serviceAccount" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- if $account.create -}}
{{- $account.name | default (printf "%s-%s" (include "fogbell.fullname" .root) .component) -}}
{{- else -}}
{{- $account.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* registry/repository:tag@digest. dict: root, image */}}
{{- define "fogbell.image" -}}
{{- $all := .root.Values.image -}}
{{- with $all.registry }}{{ . }}/{{ end -}}
{{- .image.repository -}}
:{{ .image.tag | default $all.tag | default .root.Chart.AppVersion -}}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* dict: root, image */}}
{{- define "fogbell.pullPolicy" -}}
{{ .image.pullPolicy | default .root.Values.image.pullPolicy }}
{{- end -}}
