package push

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"text/template"
	"time"
)

// document is the OpenAPI description, with the options' values to be put in.
//
//go:embed openapi.json
var document string

// A description is the OpenAPI description of an API.
type description struct {
	document *template.Template
	values   map[string]any
	limits   limits
}

func newDescription(o *options) (*description, error) {
	t, err := template.New("openapi.json").Parse(document)
	if err != nil {
		return nil, err
	}
	server := o.PublicURL
	if server == "" {
		server = strings.TrimSuffix(o.Prefix, "/")
	}
	if server == "" {
		server = "/"
	}
	quoted, err := json.Marshal(server)
	if err != nil {
		return nil, err
	}
	l := o.limits()
	d := &description{t, map[string]any{
		"Server": string(quoted), "MaxEntries": l.entries, "MaxEntryBytes": l.entryBytes, "MaxBodyBytes": int(o.MaxBodyBytes),
		"Oldest": l.oldest.UnixMicro(), "OldestText": l.oldest.Format(time.RFC3339), "Ahead": l.ahead.String(),
		"MaxType": maxType, "MaxID": maxID, "MaxLabels": l.labels, "MaxKey": l.key, "MaxValue": l.value,
	}, l}
	_, err = d.at(time.Now())
	return d, err
}

// at returns the description as it holds at now.
func (d *description) at(now time.Time) ([]byte, error) {
	values := maps.Clone(d.values)
	values["Newest"] = d.limits.future(now).UnixMicro() - 1
	var b bytes.Buffer
	if err := d.document.Execute(&b, values); err != nil {
		return nil, fmt.Errorf("cannot describe the API: %w", err)
	}
	return b.Bytes(), nil
}
