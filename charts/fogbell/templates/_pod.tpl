{{/* The pod of a component: what PodSecurity `restricted` asks, and what all have in common. */}}

{{- define "fogbell.podSecurity" -}}
runAsNonRoot: true
{{- range $key, $value := .Values.securityContext }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }}: {{ int $value }}
{{- end }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "fogbell.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "fogbell.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Probes on the metrics port, answered by the loop that does the work. A component that has lost
     MongoDB is not restarted: it comes back by itself. */}}
{{- define "fogbell.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{/* A pod's metadata. dict: root, component, pool, values, checksums (a dict of texts) */}}
{{- define "fogbell.podMetadata" -}}
labels:
  {{- include "fogbell.labels" . | nindent 2 }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ .component }}
  {{- range $name, $text := .checksums }}
  checksum/{{ $name }}: {{ $text | sha256sum }}
  {{- end }}
  checksum/secret: {{ include "fogbell.secretChecksum" .root }}
  {{- with .values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* A pod's spec, without its container's own lines: where it runs, and as whom.
     dict: root, component, values */}}
{{- define "fogbell.podPlace" -}}
serviceAccountName: {{ include "fogbell.serviceAccount" . }}
automountServiceAccountToken: {{ eq .component "operator" }}
enableServiceLinks: false
{{- include "fogbell.pullSecrets" .root }}
securityContext:
  {{- include "fogbell.podSecurity" .root | nindent 2 }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Spread over nodes, counting each version of a Deployment for itself. dict: root, component, pool, values */}}
{{- define "fogbell.spread" -}}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
  - topologyKey: kubernetes.io/hostname
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "fogbell.selector" . | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end -}}

{{/* What every container has. dict: root, component, values, config (a ConfigMap's name), env (YAML) */}}
{{- define "fogbell.container" -}}
name: {{ .component }}
image: {{ include "fogbell.image" (dict "root" .root "image" .values.image) | quote }}
imagePullPolicy: {{ include "fogbell.pullPolicy" (dict "root" .root "image" .values.image) }}
securityContext:
  {{- include "fogbell.containerSecurity" . | nindent 2 }}
envFrom:
  - configMapRef: {name: {{ .config }}}
  {{- with .values.extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  {{- include "fogbell.serverEnv" .root | nindent 2 }}
  {{- with include "fogbell.tracesEnv" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .env }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources: {{ toYaml .values.resources | nindent 2 }}
{{- end -}}

{{/* dict: values, mounts (YAML) */}}
{{- define "fogbell.mounts" -}}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- with .mounts }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* dict: values, volumes (YAML) */}}
{{- define "fogbell.volumes" -}}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
  {{- with .volumes }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
