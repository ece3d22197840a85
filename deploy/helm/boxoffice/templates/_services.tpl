{{/* What is known of the services, for everything here that follows from it. A test compares it with the list of edges
     that is built into the services (tests/checks/edges.golden) and with what the executables say of themselves. */}}

{{/* Who calls whom; the auditor, who runs beside the gateway, calls from its pods. */}}
{{- define "boxoffice.calls" -}}
gateway: [queue, seat, reservation, wallet, payment, ranking, relay]
reservation: [queue, seat, wallet, payment]
{{- end }}

{{/* Where each keeps its data; the gateway keeps none. */}}
{{- define "boxoffice.stores" -}}
queue: redis
ranking: redis
seat: postgres
reservation: postgres
wallet: postgres
payment: postgres
relay: postgres
{{- end }}

{{/* Who publishes or consumes events, or counts them: the auditor. */}}
{{- define "boxoffice.onBus" -}}
services: [seat, reservation, wallet, payment, ranking, relay, gateway]
{{- end }}

{{/* Who signs or verifies queue tokens. */}}
{{- define "boxoffice.holdTokenKeys" -}}
services: [queue, gateway]
{{- end }}
