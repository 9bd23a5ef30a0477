{{/* An HPA by CPU. dict: root, component, name, pool, scaling */}}
{{- define "fogbell.hpa" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "fogbell.metadata" . | nindent 2 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .name }}}
  minReplicas: {{ int .scaling.minReplicas }}
  maxReplicas: {{ int .scaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ int .scaling.targetCPUUtilizationPercentage }}}
{{- end -}}

{{/* dict: root, component, name, pool, budget */}}
{{- define "fogbell.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "fogbell.metadata" . | nindent 2 }}
spec:
  {{- /* A share is text, a number a number. */}}
  maxUnavailable: {{ if kindIs "string" .budget.maxUnavailable }}{{ .budget.maxUnavailable | quote }}{{ else }}{{ int .budget.maxUnavailable }}{{ end }}
  # What is not ready anyway must not hold a node back.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "fogbell.selector" . | nindent 6 }}
{{- end -}}
