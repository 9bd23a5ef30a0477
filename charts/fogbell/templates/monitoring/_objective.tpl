{{/* An expression, or a text with some, whose marks @in_time and @budget are filled in by the objective.
     dict: root, text. */}}
{{- define "fogbell.withObjective" -}}
{{- $objective := .root.Values.metrics.objective -}}
{{- $inTime := printf "%.1f" (float64 $objective.seconds) -}}
{{- $budget := printf "%.6g" (subf 1.0 $objective.share) -}}
{{- .text | replace "@in_time" $inTime | replace "@budget" $budget -}}
{{- end -}}
