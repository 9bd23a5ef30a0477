{{/* dict: root, pool (whole) */}}
{{- define "fogbell.workerEnv" -}}
{{- if include "fogbell.poolEmail" . -}}
- name: FOGBELL_EMAIL__URL
  valueFrom:
    secretKeyRef: {{ include "fogbell.secretKeyRef" (dict "root" .root "existing" .root.Values.email.existingSecret "own" "email-url") }}
{{- end }}
{{- end -}}

{{/* KEDA: as many replicas as the longest of the pool's queues asks for.
     dict: root, component, name, pool, values, scaling */}}
{{- define "fogbell.scaledObject" -}}
{{- $prefix := .root.Values.rabbitmq.prefix -}}
{{- $length := .scaling.queueLength -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "fogbell.metadata" . | nindent 2 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .name }}, envSourceContainerName: worker}
  minReplicaCount: {{ int .scaling.minReplicas }}
  maxReplicaCount: {{ int .scaling.maxReplicas }}
  pollingInterval: {{ int .scaling.pollingInterval }}
  cooldownPeriod: {{ int .scaling.cooldownPeriod }}
  triggers:
    {{- range $channel := .values.channels }}
    {{- range $lane := $.values.lanes }}
    {{- include "fogbell.queueTrigger" (dict "queue" (printf "%s%s.%s" $prefix $channel $lane) "length" (get $length $lane)) | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- if .values.expand }}
    {{- include "fogbell.queueTrigger" (dict "queue" (printf "%sexpansion" $prefix) "length" $length.expansion) | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* dict: queue, length */}}
{{- define "fogbell.queueTrigger" -}}
- type: rabbitmq
  metadata:
    protocol: amqp
    mode: QueueLength
    queueName: {{ .queue | quote }}
    value: {{ int .length | quote }}
    hostFromEnv: FOGBELL_RABBITMQ_URI
{{- end -}}
