{{- define "fogbell.retryEnv" -}}
- name: FOGBELL_JOB_NAME
  valueFrom:
    fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/job-name']"}
{{- end -}}
