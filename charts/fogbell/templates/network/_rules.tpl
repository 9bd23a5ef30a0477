{{/* Rules of NetworkPolicies, one list item each. */}}

{{/* Ports and peers of an egress or ingress rule. dict: ports, protocols, peers, side (to or from) */}}
{{- define "fogbell.rule" -}}
{{- $protocols := .protocols | default (list "TCP") -}}
- ports:
    {{- range $port := .ports }}
    {{- range $protocols }}
    - {port: {{ int $port }}, protocol: {{ . }}}
    {{- end }}
    {{- end }}
  {{- with .peers }}
  {{ $.side }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* A pod of this release. dict: root, component */}}
{{- define "fogbell.peer" -}}
podSelector:
  matchLabels:
    {{- include "fogbell.selector" . | nindent 4 }}
{{- end -}}

{{- define "fogbell.egress.dns" -}}
{{- with .Values.networkPolicy.dns -}}
{{ include "fogbell.rule" (dict "side" "to" "ports" .ports "protocols" (list "UDP" "TCP") "peers" .to) }}
{{- end -}}
{{- end -}}

{{- define "fogbell.egress.mongodb" -}}
{{- if include "fogbell.dev.mongodb" . -}}
{{ include "fogbell.rule" (dict "side" "to" "ports" (list 27017) "peers" (list (include "fogbell.peer" (dict "root" . "component" "mongodb") | fromYaml))) }}
{{- else -}}
{{ include "fogbell.rule" (dict "side" "to" "ports" .Values.networkPolicy.mongodb.ports "peers" .Values.networkPolicy.mongodb.to) }}
{{- end -}}
{{- end -}}

{{- define "fogbell.egress.rabbitmq" -}}
{{- if include "fogbell.dev.rabbitmq" . -}}
{{ include "fogbell.rule" (dict "side" "to" "ports" (list 5672) "peers" (list (include "fogbell.peer" (dict "root" . "component" "rabbitmq") | fromYaml))) }}
{{- else -}}
{{ include "fogbell.rule" (dict "side" "to" "ports" .Values.networkPolicy.rabbitmq.ports "peers" .Values.networkPolicy.rabbitmq.to) }}
{{- end -}}
{{- end -}}

{{- define "fogbell.egress.traces" -}}
{{- if .Values.traces.enabled -}}
{{ include "fogbell.rule" (dict "side" "to" "ports" .Values.networkPolicy.traces.ports "peers" .Values.networkPolicy.traces.to) }}
{{- end -}}
{{- end -}}

{{/* What a worker sends to, by the channels of its pool. dict: root, pool (whole) */}}
{{- define "fogbell.egress.providers" -}}
{{- $network := .root.Values.networkPolicy -}}
{{- if has "email" .pool.channels }}
{{- if include "fogbell.dev.mail" .root }}
{{ include "fogbell.rule" (dict "side" "to" "ports" (list 2525) "peers" (list (include "fogbell.peer" (dict "root" .root "component" "mail") | fromYaml))) }}
{{- else }}
{{ include "fogbell.rule" (dict "side" "to" "ports" $network.smtp.ports "peers" $network.smtp.to) }}
{{- end }}
{{- end }}
{{- if without .pool.channels "email" }}
{{ include "fogbell.rule" (dict "side" "to" "ports" $network.http.ports "peers" $network.http.to) }}
{{- end }}
{{- with $network.workerExtraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* dict: root, component, pool, name, ingress, egress (YAML lists, maybe empty) */}}
{{- define "fogbell.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "fogbell.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "fogbell.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- with .ingress | trim }}
  ingress:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .egress | trim }}
  egress:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}
