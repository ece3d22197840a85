{{/* What all of this chart's objects are called, and how they are found. */}}

{{- define "boxoffice.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Of everything in the release. */}}
{{- define "boxoffice.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "boxoffice.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "boxoffice.selector" . }}
{{- end }}

{{- define "boxoffice.image" -}}
{{ printf "%s/%s:%s" .root.Values.image.prefix .service (.root.Values.image.tag | default .root.Chart.AppVersion) }}
{{- end }}

{{/* The secrets of a service ("audit" has a certificate, too). */}}
{{- define "boxoffice.tlsSecret" -}}
{{- $tls := eq .service "audit" | ternary .root.Values.tls.audit (dig .service "tls" dict .root.Values.services) -}}
{{ $tls.existingSecret | default (printf "%s-%s-tls" (include "boxoffice.fullname" .root) .service) }}
{{- end }}

{{- define "boxoffice.storeSecret" -}}
{{- $store := index .root.Values.services .service "store" -}}
{{- if not (or $store.existingSecret $store.value) }}
{{- fail (printf "services.%s.store: give existingSecret (with a key %s), or value: where its data is" .service $store.key) }}
{{- end -}}
{{ $store.existingSecret | default (printf "%s-%s-store" (include "boxoffice.fullname" .root) .service) }}
{{- end }}
