{{- define "fogbell.operatorEnv" -}}
- name: FOGBELL_OPERATOR__NAMESPACE
  valueFrom:
    fieldRef: {fieldPath: metadata.namespace}
{{- end -}}
