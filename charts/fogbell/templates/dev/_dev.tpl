{{/* Small servers for trials. NOT FOR PRODUCTION: see `dev` in values.yaml. */}}

{{/* dict: root, component */}}
{{- define "fogbell.dev.metadata" -}}
{{ include "fogbell.metadata" . }}
annotations:
  fogbell.dev/warning: "not for production: one pod, no backup; see the chart's values"
{{- end -}}

{{- define "fogbell.dev.pod" -}}
automountServiceAccountToken: false
# The variables of Services would change RabbitMQ's own settings.
enableServiceLinks: false
{{- include "fogbell.pullSecrets" . }}
securityContext:
  {{- include "fogbell.podSecurity" . | nindent 2 }}
{{- end -}}

{{/* dict: server (values of one) */}}
{{- define "fogbell.dev.container" -}}
image: {{ .server.image | quote }}
imagePullPolicy: {{ .server.pullPolicy }}
{{- with .server.command }}
command: {{ toJson . }}
{{- end }}
{{- with .server.args }}
args: {{ toJson . }}
{{- end }}
securityContext:
  {{- include "fogbell.containerSecurity" . | nindent 2 }}
resources: {{ toYaml .server.resources | nindent 2 }}
{{- end -}}

{{/* dict: server (values of one) */}}
{{- define "fogbell.dev.claim" -}}
{{- with .server.persistence }}
{{- if .enabled }}
volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .storageClassName }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests: {storage: {{ .size }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* A container that runs one of the chart's scripts, by an image that is there anyway.
     dict: root, script, resources */}}
{{- define "fogbell.script.container" -}}
image: {{ include "fogbell.image" (dict "root" .root "image" .root.Values.intake.image) | quote }}
imagePullPolicy: {{ include "fogbell.pullPolicy" (dict "root" .root "image" .root.Values.intake.image) }}
command: [python3, /opt/scripts/{{ .script }}]
securityContext:
  {{- include "fogbell.containerSecurity" . | nindent 2 }}
resources: {{ toYaml .resources | nindent 2 }}
volumeMounts:
  - {name: scripts, mountPath: /opt/scripts, readOnly: true}
  - {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "fogbell.script.volumes" -}}
volumes:
  - {name: tmp, emptyDir: {}}
  - {name: scripts, configMap: {name: {{ include "fogbell.fullname" . }}-scripts}}
{{- end -}}
