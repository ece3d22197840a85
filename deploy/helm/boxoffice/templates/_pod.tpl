{{/* What every pod has in common. */}}

{{- define "boxoffice.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "boxoffice.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Whom stores, Kafka and others outside are believed by: PEM files. */}}
{{- define "boxoffice.trustMount" -}}
{{- if .Values.trust.existingSecret -}}
- {name: trust, mountPath: /run/boxoffice/trust, readOnly: true}
{{- end }}
{{- end }}

{{- define "boxoffice.trustVolume" -}}
{{- with .Values.trust.existingSecret -}}
- {name: trust, secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- end }}

{{- define "boxoffice.storeVariable" -}}
- name: BOXOFFICE_STORE_URL
  valueFrom: {secretKeyRef: {name: {{ include "boxoffice.storeSecret" . }}, key: {{ index .root.Values.services .service "store" "key" }}}}
{{- end }}

{{/* What is secret, as the environment gives it. */}}
{{- define "boxoffice.variables" -}}
{{- $values := .root.Values -}}
{{- $name := include "boxoffice.fullname" .root -}}
{{- if hasKey (include "boxoffice.stores" .root | fromYaml) .service }}
{{ include "boxoffice.storeVariable" . }}
{{- end }}
{{- if and $values.kafka.existingSecret (has .service (include "boxoffice.onBus" .root | fromYaml).services) }}
{{ include "boxoffice.busVariable" . }}
{{- end }}
{{- if has .service (include "boxoffice.holdTokenKeys" .root | fromYaml).services }}
{{- if not (or $values.tokenKeys.existingSecret $values.tokenKeys.value) }}
{{- fail (printf "tokenKeys: give existingSecret (with a key %s), or value: what queue tokens are signed with" $values.tokenKeys.key) }}
{{- end }}
- name: BOXOFFICE_TOKEN_KEYS
  valueFrom: {secretKeyRef: {name: {{ $values.tokenKeys.existingSecret | default (printf "%s-token-keys" $name) }}, key: {{ $values.tokenKeys.key }}}}
{{- end }}
{{- if and $values.tracing.endpoint $values.tracing.existingSecret }}
- name: BOXOFFICE_TRACE_HEADERS
  valueFrom: {secretKeyRef: {name: {{ $values.tracing.existingSecret }}, key: {{ $values.tracing.key }}}}
{{- end }}
{{- if and (eq .service "gateway") (not $values.jwt.jwksUrl) }}
{{- if not (or $values.jwt.existingSecret $values.jwt.value) }}
{{- fail (printf "jwt: give jwksUrl, existingSecret (with a key %s), or value: the key of who signs users' tokens" $values.jwt.key) }}
{{- end }}
- name: BOXOFFICE_JWT_KEY
  valueFrom: {secretKeyRef: {name: {{ $values.jwt.existingSecret | default (printf "%s-jwt" $name) }}, key: {{ $values.jwt.key }}}}
{{- end }}
{{- if and (eq .service "gateway") $values.signIn.clientId }}
{{- $secret := required "signIn.existingSecret: a secret with session-key, and client-secret unless the client is public" $values.signIn.existingSecret }}
- name: BOXOFFICE_SIGN_IN_SESSION_KEY
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: session-key}}
- name: BOXOFFICE_SIGN_IN_CLIENT_SECRET
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: client-secret, optional: true}}
{{- end }}
{{- end }}

{{/* Of those, what stands in values itself; nothing, if it is all in secrets that exist. */}}
{{- define "boxoffice.givenSecrets" -}}
{{- $values := .root.Values -}}
{{- $given := list -}}
{{- with index $values.services .service "store" }}{{ if not .existingSecret }}{{ $given = append $given .value }}{{ end }}{{ end -}}
{{- if and (has .service (include "boxoffice.holdTokenKeys" .root | fromYaml).services) (not $values.tokenKeys.existingSecret) -}}
{{- $given = append $given $values.tokenKeys.value -}}
{{- end -}}
{{- if and (eq .service "gateway") $values.jwt.value (not $values.jwt.existingSecret) }}{{ $given = append $given $values.jwt.value }}{{ end -}}
{{- if $given }}{{ toJson $given }}{{ end -}}
{{- end }}

{{- define "boxoffice.busVariable" -}}
- name: BOXOFFICE_BUS_URL
  {{- with .root.Values.kafka }}
  {{- if .existingSecret }}
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .key }}}}
  {{- else }}
  value: {{ printf "kafka:%s" .brokers | quote }}
  {{- end }}
  {{- end }}
{{- end }}

{{/* Until it has drained by itself: notice, grace, 5 s to end, and a little. What is said of one service is over what is said of all. */}}
{{- define "boxoffice.gracePeriod" -}}
{{- $own := dig "drain" dict (index .root.Values.services .service "config") -}}
{{- $notice := dig "notice_ms" .root.Values.drain.noticeMs $own -}}
{{- $grace := dig "grace_ms" .root.Values.drain.graceMs $own -}}
{{ add (divf (addf $notice $grace) 1000 | ceil | int) 10 }}
{{- end }}
