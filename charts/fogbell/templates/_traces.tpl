{{/* OpenTelemetry's own variables, for what makes spans: the operator makes none. dict: root, component */}}
{{- define "fogbell.tracesEnv" -}}
{{- $traces := .root.Values.traces -}}
{{- if and $traces.enabled (ne .component "operator") -}}
- {name: OTEL_TRACES_EXPORTER, value: otlp}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ $traces.endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ $traces.ratio | quote }}}
- name: POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ include "fogbell.resourceAttributes" .root | quote }}
{{- end -}}
{{- end -}}

{{/* name=value, separated by commas, with values percent-encoded; what stands last counts. */}}
{{- define "fogbell.resourceAttributes" -}}
{{- range $name, $value := .Values.traces.attributes -}}
{{ $name }}={{ urlquery $value | replace "+" "%20" }},
{{- end -}}
k8s.namespace.name={{ .Release.Namespace }},k8s.pod.name=$(POD_NAME)
{{- end -}}
