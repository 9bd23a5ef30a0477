{{/* FOGBELL_ variables: a ConfigMap for each component, and how a value is written. */}}

{{/* Text as it stands; all else as JSON, which has numbers, yes and no, and lists as Fogbell reads them. */}}
{{- define "fogbell.settingText" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{/* Settings merged, as the data of a ConfigMap. dict: root, settings (a list, later ones win) */}}
{{- define "fogbell.settings" -}}
{{- $merged := dict
      "FOGBELL_MONGODB__DATABASE" .root.Values.mongodb.database
      "FOGBELL_RABBITMQ__PREFIX" .root.Values.rabbitmq.prefix -}}
{{- range $settings := prepend .settings .root.Values.settings -}}
  {{- range $name, $value := $settings -}}
    {{- if not (kindIs "invalid" $value) -}}
      {{- $_ := set $merged $name (include "fogbell.settingText" $value) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{ toYaml $merged }}
{{- end -}}

{{/* dict: root, component, settings, pool, name */}}
{{- define "fogbell.settingsMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "fogbell.metadata" . | nindent 2 }}
data:
  {{- include "fogbell.settings" . | nindent 2 }}
{{- end -}}

{{- define "fogbell.intakeSettings" -}}
{{- $own := dict "FOGBELL_OFFERED_CHANNELS" (include "fogbell.offeredChannels" .) -}}
{{- include "fogbell.settings" (dict "root" . "settings" (list .Values.intake.settings $own)) -}}
{{- end -}}

{{/* Of a Campaign's run: it sends over what intake offers, and over nothing else. */}}
{{- define "fogbell.runnerSettings" -}}
{{- $own := dict "FOGBELL_OFFERED_CHANNELS" (include "fogbell.offeredChannels" .) -}}
{{- include "fogbell.settings" (dict "root" . "settings" (list .Values.campaign.settings $own)) -}}
{{- end -}}

{{/* dict: root, pool (whole) */}}
{{- define "fogbell.workerSettings" -}}
{{- $own := dict
      "FOGBELL_CHANNELS" (join "," .pool.channels)
      "FOGBELL_LANES" (join "," .pool.lanes)
      "FOGBELL_EXPAND" .pool.expand -}}
{{- if include "fogbell.poolEmail" . -}}
  {{- $_ := set $own "FOGBELL_EMAIL__FROM_ADDRESS" (include "fogbell.fromAddress" .root) -}}
{{- end -}}
{{- include "fogbell.settings" (dict "root" .root "settings" (list .pool.settings $own)) -}}
{{- end -}}

{{/* Not empty where a pool sends e-mail by the relay of `email`. dict: root, pool (whole) */}}
{{- define "fogbell.poolEmail" -}}
{{- if and (has "email" .pool.channels) (include "fogbell.email" .root) }}true{{ end -}}
{{- end -}}

{{/* One of the settings, the most particular first. dict: settings (a list), name, default */}}
{{- define "fogbell.setting" -}}
{{- $found := .default -}}
{{- $name := .name -}}
{{- range $settings := .settings -}}
  {{- with get ($settings | default dict) $name }}{{ $found = . }}{{ end -}}
{{- end -}}
{{ $found }}
{{- end -}}
