{{/* The PodTemplateSpec of a Campaign's run. The operator adds what identifies the run. */}}
{{- define "fogbell.runner" -}}
{{- $values := .Values.campaign -}}
{{- $name := printf "%s-campaign" (include "fogbell.fullname" .) -}}
{{- $context := dict "root" . "component" "campaign" "name" $name "values" $values "config" $name
      "checksums" (dict "settings" (include "fogbell.runnerSettings" .)) -}}
metadata:
  {{- include "fogbell.podMetadata" $context | nindent 2 }}
spec:
  restartPolicy: Never
  {{- include "fogbell.podPlace" $context | nindent 2 }}
  containers:
    - {{- include "fogbell.container" $context | nindent 6 }}
      ports:
        - {name: metrics, containerPort: 9090}
      {{- include "fogbell.mounts" $context | nindent 6 }}
  {{- include "fogbell.volumes" $context | nindent 2 }}
{{- end -}}
