{{/* What the schema cannot see: values that do not fit together. Each ends the installation with a
     sentence that says what to change. */}}
{{- define "fogbell.validate" -}}
{{- include "fogbell.validate.names" . -}}
{{- include "fogbell.validate.servers" . -}}
{{- include "fogbell.validate.pools" . -}}
{{- include "fogbell.validate.ways" . -}}
{{- include "fogbell.validate.scaling" (dict "name" "intake" "scaling" .Values.intake.autoscaling "resources" .Values.intake.resources) -}}
{{- include "fogbell.validate.test" . -}}
{{- include "fogbell.validate.operator" . -}}
{{- end -}}

{{/* Two operators in one namespace would undo each other's CronJobs without end. */}}
{{- define "fogbell.validate.operator" -}}
{{- if .Values.operator.enabled -}}
  {{- range (lookup "apps/v1" "Deployment" .Release.Namespace "").items -}}
    {{- $labels := .metadata.labels | default dict -}}
    {{- $fogbell := eq (get $labels "app.kubernetes.io/name") "fogbell" -}}
    {{- $operator := eq (get $labels "app.kubernetes.io/component") "operator" -}}
    {{- $instance := get $labels "app.kubernetes.io/instance" -}}
    {{- if and $fogbell $operator (ne $instance $.Release.Name) -}}
      {{- fail (printf "the release '%s' has an operator in this namespace already: set operator.enabled=false, or install into another namespace" $instance) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "fogbell.validate.names" -}}
{{- if gt (len (include "fogbell.fullname" .)) 40 -}}
  {{- fail "fullnameOverride: expected at most 40 characters, since names of pods are made from it" -}}
{{- end -}}
{{- end -}}

{{/* One address of each server, and only one. */}}
{{- define "fogbell.validate.servers" -}}
{{- range $name := list "mongodb" "rabbitmq" -}}
  {{- $given := get $.Values $name -}}
  {{- if and $given.uri $given.existingSecret.name -}}
    {{- fail (printf "%s.uri and %s.existingSecret.name are both set: give one of them" $name $name) -}}
  {{- end -}}
  {{- if not (or $given.uri $given.existingSecret.name $.Values.dev.enabled) -}}
    {{- fail (printf "Fogbell needs %s: set %s.existingSecret.name to a Secret that holds its URI under the key '%s', or %s.uri for a trial, or dev.enabled=true to have one started that is not for production" (ternary "MongoDB" "RabbitMQ" (eq $name "mongodb")) $name $given.existingSecret.key $name) -}}
  {{- end -}}
{{- end -}}
{{- with .Values.email -}}
  {{- if and .url .existingSecret.name -}}
    {{- fail "email.url and email.existingSecret.name are both set: give one of them" -}}
  {{- end -}}
{{- end -}}
{{- if and (include "fogbell.email" .) (not (include "fogbell.fromAddress" .)) -}}
  {{- fail "email.fromAddress is not set: name the sender of mails whose content names none, such as Shop <shop@example.org>" -}}
{{- end -}}
{{- if and .Values.email.fromAddress (not (include "fogbell.email" .)) -}}
  {{- fail "email.fromAddress is set, but no relay: set email.existingSecret.name to a Secret that holds its URL" -}}
{{- end -}}
{{- end -}}

{{- define "fogbell.validate.pools" -}}
{{- $pools := include "fogbell.pools" . | fromYaml -}}
{{- if not $pools -}}
  {{- fail "worker.pools is empty: nothing would be sent. Describe at least one pool" -}}
{{- end -}}
{{- $expands := false -}}
{{- $served := dict -}}
{{- range $name, $pool := $pools -}}
  {{- if $pool.expand -}}{{- $expands = true -}}{{- end -}}
  {{- range $channel := $pool.channels -}}
    {{- include "fogbell.validate.channel" (dict "root" $ "name" $name "pool" $pool "channel" $channel) -}}
    {{- range $lane := $pool.lanes -}}{{- $_ := set $served (printf "%s %s" $channel $lane) true -}}{{- end -}}
  {{- end -}}
  {{- include "fogbell.validate.scaling" (dict "name" (printf "worker.pools.%s" $name) "scaling" $pool.autoscaling "resources" $pool.resources) -}}
{{- end -}}
{{- if not $expands -}}
  {{- fail "no pool of worker.pools has expand: true, so large audiences would never be expanded: set it in one" -}}
{{- end -}}
{{- range $channel := without (include "fogbell.offeredChannels" . | splitList ",") "inbox" -}}
  {{- range $lane := list "transactional" "bulk" -}}
    {{- if not (hasKey $served (printf "%s %s" $channel $lane)) -}}
      {{- fail (printf "no pool of worker.pools serves the lane '%s' of the channel '%s', so such deliveries would wait for ever: add it to a pool, or leave the channel out of intake.offeredChannels and all pools" $lane $channel) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* A channel that is served needs its settings; extraEnv and extraEnvFrom may bring them unseen. */}}
{{- define "fogbell.validate.channel" -}}
{{- $settings := merge (dict) .pool.settings .root.Values.settings -}}
{{- $upper := upper .channel -}}
{{- $known := or .pool.extraEnv .pool.extraEnvFrom (hasKey $settings (printf "FOGBELL_PROVIDERS__%s" $upper)) (eq .channel "webhook") -}}
{{- if and (eq .channel "email") (include "fogbell.email" .root) -}}{{- $known = true -}}{{- end -}}
{{- range $name, $_ := $settings -}}
  {{- if and (ne $.channel "email") (hasPrefix (printf "FOGBELL_%s__" $upper) $name) -}}{{- $known = true -}}{{- end -}}
{{- end -}}
{{- if not $known -}}
  {{- $what := printf "FOGBELL_%s__* or FOGBELL_PROVIDERS__%s among worker.settings, secrets among worker.extraEnv (docs/settings.md, docs/providers.md)" $upper $upper -}}
  {{- if eq .channel "email" -}}{{- $what = "email.existingSecret.name (a Secret with the relay's URL), or FOGBELL_PROVIDERS__EMAIL among worker.settings" -}}{{- end -}}
  {{- fail (printf "worker.pools.%s serves the channel '%s', but nothing says how: set %s" .name .channel $what) -}}
{{- end -}}
{{- end -}}

{{- define "fogbell.validate.ways" -}}
{{- with .Values.intake -}}
  {{- if and .ingress.enabled (not .ingress.hosts) -}}
    {{- fail "intake.ingress.hosts is empty: name the host that the Ingress answers for" -}}
  {{- end -}}
  {{- if and .httpRoute.enabled (not .httpRoute.parentRefs) -}}
    {{- fail "intake.httpRoute.parentRefs is empty: name the Gateway that the route belongs to" -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* dict: name, scaling, resources */}}
{{- define "fogbell.validate.scaling" -}}
{{- if .scaling.enabled -}}
  {{- if gt (int .scaling.minReplicas) (int .scaling.maxReplicas) -}}
    {{- fail (printf "%s.autoscaling: minReplicas (%d) is more than maxReplicas (%d)" .name (int .scaling.minReplicas) (int .scaling.maxReplicas)) -}}
  {{- end -}}
  {{- if ne (.scaling.kind | default "hpa") "keda" -}}
    {{- if eq (int .scaling.minReplicas) 0 -}}
      {{- fail (printf "%s.autoscaling.minReplicas is 0: only kind: keda scales to nothing" .name) -}}
    {{- end -}}
    {{- if not (dig "requests" "cpu" "" (.resources | default dict)) -}}
      {{- fail (printf "%s.autoscaling scales by a share of the CPU that is asked for: set %s.resources.requests.cpu" .name .name) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "fogbell.validate.test" -}}
{{- if .Values.test.enabled -}}
  {{- if and .Values.test.email (not (has "email" (include "fogbell.offeredChannels" . | splitList ","))) -}}
    {{- fail "test.email is set, but no e-mail is sent: set email.existingSecret.name, or leave test.email empty" -}}
  {{- end -}}
  {{- if not (or .Values.test.existingSecret.name (include "fogbell.bootstrapKey" .)) -}}
    {{- fail "helm test needs an API key: set test.existingSecret.name to a Secret that holds one, or test.enabled=false" -}}
  {{- end -}}
{{- end -}}
{{- end -}}
