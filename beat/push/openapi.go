package push

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"
)

// document is the OpenAPI description, with the options' values to be put in.
//
//go:embed openapi.json
var document string

// describe returns the OpenAPI description of an API with these options.
func describe(o *options) ([]byte, error) {
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
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{
		"Server": string(quoted), "MaxEntries": l.entries, "MaxEntryBytes": l.entryBytes, "MaxBodyBytes": int(o.MaxBodyBytes),
		"Oldest": l.oldest.UnixMicro(), "OldestText": l.oldest.Format(time.RFC3339), "Ahead": l.ahead.String(),
		"MaxType": maxType, "MaxID": maxID, "MaxLabels": l.labels, "MaxKey": l.key, "MaxValue": l.value,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot describe the API: %w", err)
	}
	return b.Bytes(), nil
}
