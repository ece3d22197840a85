{{/* A service's TOML file: what the chart knows, then what values say. A JSON scalar or list of texts is TOML as well. */}}
{{- define "boxoffice.config" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $name := include "boxoffice.fullname" $root -}}
{{- $tables := dict
  "admin" (dict "listen" (printf "%s:9100" $root.Values.listenHost))
  "drain" (dict "notice_ms" $root.Values.drain.noticeMs "grace_ms" $root.Values.drain.graceMs) -}}
{{- if and (has $service (include "boxoffice.onBus" $root | fromYaml).services) (not $root.Values.kafka.existingSecret) }}
{{- $_ := set $tables "bus" (dict "url" (printf "kafka:%s" $root.Values.kafka.brokers)) }}
{{- end }}
{{- with $root.Values.tracing }}
{{- if .endpoint }}{{ $_ := set $tables "trace" (dict "endpoint" .endpoint "sample_ratio" .sampleRatio) }}{{ end }}
{{- end }}
{{- $peers := dict }}
{{- range $peer := index (include "boxoffice.calls" $root | fromYaml) $service }}
{{- $_ := set $peers $peer (printf "dns:%s-%s:9000" $name $peer) }}
{{- end }}
{{- if $peers }}{{ $_ := set $tables "peer" $peers }}{{ end }}
{{- if $root.Values.tls.enabled }}
{{- $_ := set $tables "tls" (dict "ca_file" "/run/boxoffice/tls/ca.crt" "certificate_file" "/run/boxoffice/tls/tls.crt" "key_file" "/run/boxoffice/tls/tls.key") }}
{{- end }}
{{- if eq $service "gateway" }}
{{- if $root.Values.tls.enabled }}
{{- $_ := set $tables "audit" (dict "certificate_file" "/run/boxoffice/audit-tls/tls.crt" "key_file" "/run/boxoffice/audit-tls/tls.key") }}
{{- end }}
{{- $_ := set $tables "jwt" (dict "algorithm" $root.Values.jwt.algorithm "issuer" (required "jwt.issuer: what a token's iss must be" $root.Values.jwt.issuer) "audience" $root.Values.jwt.audience) }}
{{- if $root.Values.jwt.jwksUrl }}
{{- if or $root.Values.jwt.existingSecret $root.Values.jwt.value }}{{ fail "jwt: give jwksUrl or a key, not both" }}{{ end }}
{{- $_ := set $tables.jwt "jwks_url" $root.Values.jwt.jwksUrl }}
{{- end }}
{{- with $root.Values.signIn }}{{ if .clientId }}
{{- $_ := set $tables "sign_in" (dict "client_id" .clientId "redirect_url" (required "signIn.redirectUrl: where the provider leads back to" .redirectUrl)) }}
{{- end }}{{ end }}
{{- end }}
{{- $tables = mustMergeOverwrite $tables (deepCopy (index $root.Values.services $service "config")) -}}
# What is not here has its default: boxoffice-{{ $service }} --help. Secrets come by the environment.
data = "/var/lib/boxoffice"
listen = ["{{ $root.Values.listenHost }}:{{ eq $service "gateway" | ternary 8080 9000 }}"]
log_level = {{ toJson $root.Values.logLevel }}
{{- range $table, $keys := $tables }}

[{{ $table }}]
{{- range $key, $value := $keys }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}
