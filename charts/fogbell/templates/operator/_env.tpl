{{- define "fogbell.operatorEnv" -}}
- name: FOGBELL_OPERATOR__NAMESPACE
  valueFrom:
    fieldRef: {fieldPath: metadata.namespace}
# kopf names itself by it. Else it looks for the user's name, which a user without an entry in
# /etc/passwd does not have.
- name: POD_ID
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
{{- end -}}
