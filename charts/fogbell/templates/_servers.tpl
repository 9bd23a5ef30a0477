{{/* Where the servers and secrets are: given by name, given as a value, or of dev.enabled. */}}

{{- define "fogbell.dev.mongodb" -}}
{{- $given := .Values.mongodb -}}
{{- if and .Values.dev.enabled (not $given.uri) (not $given.existingSecret.name) }}true{{ end -}}
{{- end -}}

{{- define "fogbell.dev.rabbitmq" -}}
{{- $given := .Values.rabbitmq -}}
{{- if and .Values.dev.enabled (not $given.uri) (not $given.existingSecret.name) }}true{{ end -}}
{{- end -}}

{{- define "fogbell.dev.mail" -}}
{{- $given := .Values.email -}}
{{- if and .Values.dev.enabled (not $given.url) (not $given.existingSecret.name) }}true{{ end -}}
{{- end -}}

{{/* Where `helm test` sends a mail: the sink of dev.enabled takes one to anybody. */}}
{{- define "fogbell.testEmail" -}}
{{- $sink := and (include "fogbell.dev.mail" .) (has "email" (include "fogbell.offeredChannels" . | splitList ",")) -}}
{{- .Values.test.email | default (ternary "helm-test@example.org" "" (not (empty $sink))) -}}
{{- end -}}

{{/* Not empty where a relay is known. */}}
{{- define "fogbell.email" -}}
{{- $given := .Values.email -}}
{{- if or $given.url $given.existingSecret.name (include "fogbell.dev.mail" .) }}true{{ end -}}
{{- end -}}

{{- define "fogbell.bootstrapKey" -}}
{{- $given := .Values.bootstrapApiKey -}}
{{- if or $given.create $given.existingSecret.name }}true{{ end -}}
{{- end -}}

{{/* A secretKeyRef: the Secret that was named, or the chart's own.
     dict: root, existing (name and key), own (the key in the chart's Secret). */}}
{{- define "fogbell.secretKeyRef" -}}
{{- if .existing.name -}}
{name: {{ .existing.name }}, key: {{ .existing.key }}}
{{- else -}}
{name: {{ include "fogbell.fullname" .root }}, key: {{ .own }}}
{{- end -}}
{{- end -}}

{{/* The bootstrap key's. */}}
{{- define "fogbell.bootstrapKeyRef" -}}
{{- $given := .Values.bootstrapApiKey.existingSecret -}}
{name: {{ $given.name | default (printf "%s-api-key" (include "fogbell.fullname" .)) }}, key: {{ ternary $given.key "api-key" (not (empty $given.name)) }}}
{{- end -}}

{{/* The addresses of both servers, as every component reads them. */}}
{{- define "fogbell.serverEnv" -}}
- name: FOGBELL_MONGODB_URI
  valueFrom:
    secretKeyRef: {{ include "fogbell.secretKeyRef" (dict "root" . "existing" .Values.mongodb.existingSecret "own" "mongodb-uri") }}
- name: FOGBELL_RABBITMQ_URI
  valueFrom:
    secretKeyRef: {{ include "fogbell.secretKeyRef" (dict "root" . "existing" .Values.rabbitmq.existingSecret "own" "rabbitmq-uri") }}
{{- end -}}

{{- define "fogbell.dev.mongodbUri" -}}
{{- $name := printf "%s-mongodb" (include "fogbell.fullname" .) -}}
mongodb://{{ $name }}-0.{{ $name }}.{{ .Release.Namespace }}.svc:27017/?replicaSet=rs0
{{- end -}}

{{- define "fogbell.fromAddress" -}}
{{- .Values.email.fromAddress | default (ternary "Fogbell <fogbell@example.org>" "" .Values.dev.enabled) -}}
{{- end -}}

{{/* What of a Secret's content is known before the cluster: the rest is generated once and stays. */}}
{{- define "fogbell.secretChecksum" -}}
{{- list .Values.mongodb.uri .Values.rabbitmq.uri .Values.email.url | toJson | sha256sum -}}
{{- end -}}
