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
{{- include "fogbell.validate.labels" . -}}
{{- include "fogbell.validate.ports" . -}}
{{- include "fogbell.validate.env" . -}}
{{- include "fogbell.validate.metrics" . -}}
{{- include "fogbell.validate.traces" . -}}
{{- end -}}

{{- define "fogbell.validate.traces" -}}
{{- with .Values.traces -}}
  {{- if and .enabled (not .endpoint) -}}
    {{- fail "traces.enabled, but no collector: set traces.endpoint to its address, such as http://otel-collector.observability.svc:4318" -}}
  {{- end -}}
  {{- if hasSuffix "/v1/traces" (trimSuffix "/" .endpoint) -}}
    {{- fail "traces.endpoint ends in /v1/traces, which is added to it: leave that out" -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* Alerts look at all components, and most pods have no Service to be scraped by. */}}
{{- define "fogbell.validate.metrics" -}}
{{- if and .Values.metrics.rules.enabled (not .Values.metrics.podMonitor.enabled) -}}
  {{- fail "metrics.rules.enabled, and nothing scrapes what the alerts look at: set metrics.podMonitor.enabled=true" -}}
{{- end -}}
{{- end -}}

{{/* Labels that the chart sets: objects are selected by some of them. */}}
{{- define "fogbell.validate.labels" -}}
{{- $given := dict "commonLabels" .Values.commonLabels -}}
{{- range $component := list "intake" "retry" "operator" "campaign" -}}
  {{- $_ := set $given (printf "%s.podLabels" $component) (index $.Values $component).podLabels -}}
{{- end -}}
{{- range $name, $pool := include "fogbell.pools" . | fromYaml -}}
  {{- $_ := set $given (printf "worker.pools.%s.podLabels" $name) $pool.podLabels -}}
{{- end -}}
{{- range $where, $labels := $given -}}
  {{- range $label, $_ := $labels -}}
    {{- if regexMatch "^(app\\.kubernetes\\.io|helm\\.sh|([a-z.]+\\.)?fogbell\\.dev)/" $label -}}
      {{- fail (printf "%s: the chart sets '%s' itself, and selects pods by such labels: choose another name" $where $label) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* A server at a port that no policy lets anybody reach. Of an address in a Secret nothing is known. */}}
{{- define "fogbell.validate.ports" -}}
{{- if .Values.networkPolicy.enabled -}}
  {{- $policies := dict "mongodb.uri" "mongodb" "rabbitmq.uri" "rabbitmq" "email.url" "smtp" "traces.endpoint" "traces" -}}
  {{- $given := dict "mongodb.uri" .Values.mongodb.uri "rabbitmq.uri" .Values.rabbitmq.uri "email.url" .Values.email.url -}}
  {{- with .Values.traces -}}
    {{- if .enabled -}}
      {{- /* An address that names no port means that of its scheme. */ -}}
      {{- $default := ternary "443" "80" (hasPrefix "https://" .endpoint) -}}
      {{- $_ := set $given "traces.endpoint" (regexReplaceAll "^(https?://([^/?:]+|\\[[^/?\\]]*\\]))([/?].*)?$" .endpoint (printf "${1}:%s${3}" $default)) -}}
    {{- end -}}
  {{- end -}}
  {{- range $where, $url := $given -}}
    {{- $allowed := list -}}
    {{- $policy := get $policies $where -}}
    {{- range (index $.Values.networkPolicy $policy).ports -}}{{- $allowed = append $allowed (toString .) -}}{{- end -}}
    {{- $hosts := regexReplaceAll "^[a-z+]+://([^@/]*@)?([^/?]*).*$" $url "${2}" -}}
    {{- range $port := regexFindAll ":[0-9]+(,|$)" $hosts -1 -}}
      {{- $number := trimSuffix "," (trimPrefix ":" $port) -}}
      {{- if not (has $number $allowed) -}}
        {{- fail (printf "%s names port %s, which networkPolicy.%s.ports does not allow: add it there" $where $number $policy) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* A name that stands twice: Kubernetes refuses it where the operator applies it. */}}
{{- define "fogbell.validate.env" -}}
{{- $given := dict -}}
{{- range $component := list "intake" "retry" "operator" "campaign" -}}
  {{- $_ := set $given (printf "%s.extraEnv" $component) (index $.Values $component).extraEnv -}}
{{- end -}}
{{- range $name, $pool := include "fogbell.pools" . | fromYaml -}}
  {{- $_ := set $given (printf "worker.pools.%s.extraEnv" $name) $pool.extraEnv -}}
{{- end -}}
{{- $own := list -}}
{{- $traces := include "fogbell.tracesEnv" (dict "root" . "component" "intake") | default "[]" | fromYamlArray -}}
{{- range concat (include "fogbell.serverEnv" . | fromYamlArray) $traces -}}{{- $own = append $own .name -}}{{- end -}}
{{- range $where, $variables := $given -}}
  {{- $seen := $own -}}
  {{- range $variables -}}
    {{- if has .name $own -}}
      {{- fail (printf "%s: the chart sets %s itself, from mongodb, rabbitmq or traces: set it there, or leave it out" $where .name) -}}
    {{- end -}}
    {{- if has .name $seen -}}
      {{- fail (printf "%s: %s stands there twice" $where .name) -}}
    {{- end -}}
    {{- $seen = append $seen .name -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* Two operators in one namespace would undo each other's CronJobs without end. */}}
{{- define "fogbell.validate.operator" -}}
{{- if .Values.operator.enabled -}}
  {{- with .Values.operator.serviceAccount -}}
    {{- if not (or .create .name) -}}
      {{- fail "operator.serviceAccount.create is false and its name is empty: every pod that names no account would get the operator's rights. Name one" -}}
    {{- end -}}
  {{- end -}}
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
  {{- include "fogbell.validate.lease" (dict "root" $ "name" $name "pool" $pool) -}}
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

{{/* A lease under which no send could ever start, where the values say all: workers refuse the rest.
     The defaults are those of docs/settings.md, and a test holds them to it. dict: root, name, pool */}}
{{- define "fogbell.validate.lease" -}}
{{- $given := list .root.Values.settings .pool.settings -}}
{{- $names := list -}}
{{- range .pool.extraEnv -}}{{- $names = append $names .name -}}{{- end -}}
{{- $unseen := or .pool.extraEnvFrom (regexMatch "FOGBELL_(PROTOCOL__LEASE|PROVIDERS__|[A-Z]+__SEND_TIMEOUT)" (join " " $names)) -}}
{{- $lease := include "fogbell.setting" (dict "settings" $given "name" "FOGBELL_PROTOCOL__LEASE_SECONDS" "default" 60) | float64 -}}
{{- $margin := include "fogbell.setting" (dict "settings" $given "name" "FOGBELL_PROTOCOL__LEASE_MARGIN_SECONDS" "default" 2) | float64 -}}
{{- $defaults := dict "email" 30 "webhook" 15 "sms" 15 "push" 15 "apprise" 20 -}}
{{- range $channel := .pool.channels -}}
  {{- $listed := include "fogbell.setting" (dict "settings" $given "name" (printf "FOGBELL_PROVIDERS__%s" (upper $channel)) "default" "") -}}
  {{- $setting := printf "FOGBELL_%s__SEND_TIMEOUT" (upper $channel) -}}
  {{- $timeout := include "fogbell.setting" (dict "settings" $given "name" $setting "default" (get $defaults $channel)) | float64 -}}
  {{- $needed := addf $timeout 0.25 $margin -}}
  {{- if and (not $unseen) (not $listed) (le $lease $needed) -}}
    {{- fail (printf "worker.pools.%s: FOGBELL_PROTOCOL__LEASE_SECONDS is %v, but must be above %v: %s (%v), 0.25 and FOGBELL_PROTOCOL__LEASE_MARGIN_SECONDS (%v), or no send over '%s' could ever start" $.name $lease $needed $setting $timeout $margin $channel) -}}
  {{- end -}}
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
