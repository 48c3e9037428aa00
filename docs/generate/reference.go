package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/podbeat/podbeat/option"
)

// parts are libbeat's own pieces of a reference configuration that hold for podbeat as they
// are. Left out: Elastic Cloud, Kibana, dashboards, X-Pack monitoring.
var parts = []string{
	"general.reference.yml.tmpl", "processors.reference.yml.tmpl", "outputs.yml.tmpl", "output-elasticsearch.reference.yml.tmpl",
	"output-logstash.reference.yml.tmpl", "output-kafka.reference.yml.tmpl", "output-redis.reference.yml.tmpl",
	"output-file.reference.yml.tmpl", "output-console.reference.yml.tmpl", "paths.reference.yml.tmpl", "keystore.reference.yml.tmpl",
	"setup.template.reference.yml.tmpl", "setup.ilm.reference.yml.tmpl", "logging.reference.yml.tmpl", "http.reference.yml.tmpl",
	"seccomp.reference.yml.tmpl",
}

// section is a struct of options and where it stands in the configuration.
type section struct{ head, dir, typ, indent string }

var ours = []section{
	{"# This file lists every option of podbeat with its default. It is generated: change the code.\n\n" +
		banner("podbeat", "=") + "podbeat:", "beat", "options", "  "},
	{"\n" + banner("Control", "-") + "# Heartbeats to logapi, and what it has switched off; see beat/control/README.md.\n#control:", "beat/control", "Options", "  "},
	{"\n" + banner("Input journal", "-") + "# An element of podbeat.inputs, or of a file that podbeat.config.inputs names.\n#- type: journal", "beat/journal", "options", "  "},
	{"\n" + banner("Input emptydir", "-") + "# An element of podbeat.inputs, or of a file that podbeat.config.inputs names.\n#- type: emptydir", "beat/emptydir", "options", "  "},
	{"\n" + banner("Input podlogs", "-") + "# An element of podbeat.inputs, or of a file that podbeat.config.inputs names.\n#- type: podlogs", "beat/podlogs", "options", "  "},
	{"\n" + banner("Input push", "-") + "# An element of podbeat.inputs, or of a file that podbeat.config.inputs names.\n#- type: push", "beat/push", "options", "  "},
	{"\n" + banner("Input kafka", "-") + "# An element of podbeat.inputs, or of a file that podbeat.config.inputs names.\n#- type: kafka", "beat/consume", "options", "  "},
	{"\n" + banner("Delivery", "-") + "# What every input takes; see beat/delivery/README.md.\n#- type: …", "beat/delivery", "Options", "  "},
	{"\n" + banner("Processor k8sname", "-") + "# An element of processors, here or of an input.\n#- k8sname:", "processors/k8sname", "options", "    "},
	{"\n" + banner("Processor pausedrop", "-") + "# An element of processors, here or of an input.\n#- pausedrop:", "processors/pausedrop", "options", "    "},
}

// outputs are podbeat's own, behind what libbeat says of its own.
var outputs = map[string]section{
	"output-elasticsearch.reference.yml.tmpl": {"\n  # podbeat's own options of this output, beside libbeat's above; see beat/elasticsearch/README.md.", "beat/elasticsearch", "options", "  "},
	"output-kafka.reference.yml.tmpl":         {"\n  # podbeat's own options and defaults of this output, which hold instead of libbeat's above; see beat/kafka/README.md.", "beat/kafka", "options", "  "},
}

func (s section) render() (string, error) {
	docs, err := option.Describe(s.dir, s.typ)
	if err != nil {
		return "", err
	}
	return s.head + "\n" + option.YAML(docs, s.indent), nil
}

// reference is _meta/beat.reference.yml.
func reference() (string, error) {
	var b strings.Builder
	for _, s := range ours {
		text, err := s.render()
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	libbeat, err := templates()
	if err != nil {
		return "", err
	}
	for _, part := range parts {
		if err := libbeat.ExecuteTemplate(&b, part, params); err != nil {
			return "", fmt.Errorf("cannot render libbeat's %s: %w", part, err)
		}
		if s, ok := outputs[part]; ok {
			text, err := s.render()
			if err != nil {
				return "", err
			}
			b.WriteString(text)
		}
	}
	return manyBlanks.ReplaceAllString(b.String(), "\n\n"), nil
}

var manyBlanks = regexp.MustCompile(`\n[ \n]*\n[ ]*\n`)

var params = map[string]any{
	"BeatName": "podbeat", "BeatIndexPrefix": "podbeat", "Reference": true, "Docker": false, "GOOS": "linux",
	"UseObserverProcessor": false, "UseDockerMetadataProcessor": true, "UseKubernetesMetadataProcessor": false, "ExcludeDashboards": true,
}

// templates reads libbeat's pieces from its module.
func templates() (*template.Template, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/elastic/beats/v7").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot find libbeat's module: %w", err)
	}
	t := template.New("reference").Option("missingkey=error")
	t.Funcs(template.FuncMap{
		"title":     func(s string) string { return strings.ToUpper(s[:1]) + s[1:] },
		"header":    func(s string) string { return banner(s, "=") },
		"subheader": func(s string) string { return banner(s, "-") },
		"indent": func(n int, s string) string {
			return strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", n))
		},
		"include": func(name string, data any) (string, error) {
			var b bytes.Buffer
			err := t.ExecuteTemplate(&b, name, data)
			return b.String(), err
		},
	})
	return t.ParseGlob(filepath.Join(strings.TrimSpace(string(dir)), "libbeat/_meta/config/*.tmpl"))
}

func banner(title, line string) string {
	return "# " + strings.Repeat(line, max(0, 90-len(title))) + " " + title + " " + strings.Repeat(line, 3) + "\n"
}
