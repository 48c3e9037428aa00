{{/* podbeat.config gives a ConfigMap: name, and files, a name → what of values takes the place of files/<name>. */}}
{{- define "podbeat.config" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {app.kubernetes.io/part-of: podbeat}
data:
{{- $root := .root }}
{{- range $name, $given := .files }}
  {{ $name }}: |
    {{- $given | default (tpl ($root.Files.Get (printf "files/%s" $name)) $root) | trim | nindent 4 }}
{{- end }}
{{- end -}}
