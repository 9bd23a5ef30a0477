{{- define "fogbell.intakeEnv" -}}
- name: FOGBELL_INBOX_TOKEN_SECRET
  valueFrom:
    secretKeyRef: {{ include "fogbell.secretKeyRef" (dict "root" . "existing" .Values.inboxTokens.existingSecret "own" "inbox-token-secret") }}
{{- if include "fogbell.bootstrapKey" . }}
- name: FOGBELL_BOOTSTRAP_API_KEY
  valueFrom:
    secretKeyRef: {{ include "fogbell.bootstrapKeyRef" . }}
{{- end }}
{{- end -}}
