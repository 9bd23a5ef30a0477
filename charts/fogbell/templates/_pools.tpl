{{/* Worker pools: what stands under `worker` holds for each, unless the pool says otherwise. */}}

{{/* One pool, whole, as YAML. dict: root, name */}}
{{- define "fogbell.pool" -}}
{{- $whole := omit .root.Values.worker "pools" "serviceAccount" | deepCopy -}}
{{- $_ := set $whole "channels" list -}}
{{- $_ := set $whole "lanes" (list "transactional" "bulk") -}}
{{- $_ := set $whole "replicas" 1 -}}
{{- $_ := set $whole "expand" false -}}
{{- range $key, $value := index .root.Values.worker.pools .name -}}
  {{- if kindIs "map" $value -}}
    {{- $inner := get $whole $key | default dict | deepCopy -}}
    {{- range $innerKey, $innerValue := $value -}}{{- $_ := set $inner $innerKey $innerValue -}}{{- end -}}
    {{- $_ := set $whole $key $inner -}}
  {{- else if not (kindIs "invalid" $value) -}}
    {{- $_ := set $whole $key $value -}}
  {{- end -}}
{{- end -}}
{{- if not $whole.channels -}}
  {{- $_ := set $whole "channels" (ternary (list "email" "webhook") (list "webhook") (not (empty (include "fogbell.email" .root)))) -}}
{{- end -}}
{{ toYaml $whole }}
{{- end -}}

{{/* Every pool by its name, as YAML. */}}
{{- define "fogbell.pools" -}}
{{- $root := . -}}
{{- $pools := dict -}}
{{- range $name, $pool := .Values.worker.pools -}}
  {{- if $pool -}}
    {{- $_ := set $pools $name (include "fogbell.pool" (dict "root" $root "name" $name) | fromYaml) -}}
  {{- end -}}
{{- end -}}
{{ toYaml $pools }}
{{- end -}}

{{/* Channels that some pool serves, and inbox: separated by commas, sorted. */}}
{{- define "fogbell.offeredChannels" -}}
{{- $found := list "inbox" -}}
{{- range $pool := include "fogbell.pools" . | fromYaml -}}
  {{- $found = concat $found $pool.channels -}}
{{- end -}}
{{- .Values.intake.offeredChannels | default $found | uniq | sortAlpha | join "," -}}
{{- end -}}
