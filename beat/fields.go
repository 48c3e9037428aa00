package beat

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/elastic/beats/v7/libbeat/asset"
	"gopkg.in/yaml.v3"
)

// fieldsYAML describes every field that podbeat writes.
//
//go:embed fields.yml
var fieldsYAML string

func init() {
	// libbeat makes the index template of what is registered here.
	if err := asset.SetFields(Name, "fields.yml", asset.BeatFieldsPri, encodedFields); err != nil {
		panic(err)
	}
}

func encodedFields() string {
	data, err := asset.EncodeData(fieldsYAML)
	if err != nil {
		panic(err) // of a compressor that writes to memory
	}
	return data
}

// A fieldSection is one key of fields.yml. Unmapped fields are described like the others, but the
// index template leaves them to Elasticsearch's dynamic mapping.
type fieldSection struct {
	Key         string
	Title       string
	Description string
	Fields      []fieldNode
	Unmapped    []fieldNode
}

type fieldNode struct {
	Name        string
	Type        string
	Description string
	Fields      []fieldNode
}

// A describedField is a leaf of fields.yml.
type describedField struct{ name, kind, description string }

// described returns the sections, each with its leaves by their full names.
func described() (sections []fieldSection, leaves [][]describedField, err error) {
	if err := yaml.Unmarshal([]byte(fieldsYAML), &sections); err != nil {
		return nil, nil, fmt.Errorf("cannot read fields.yml: %w", err)
	}
	for _, s := range sections {
		var out []describedField
		var walk func(prefix string, nodes []fieldNode)
		walk = func(prefix string, nodes []fieldNode) {
			for _, n := range nodes {
				if n.Type == "group" {
					walk(prefix+n.Name+".", n.Fields)
					continue
				}
				out = append(out, describedField{prefix + n.Name, n.Type, n.Description})
			}
		}
		walk("", s.Fields)
		walk("", s.Unmapped)
		leaves = append(leaves, out)
	}
	return sections, leaves, nil
}

// FieldsMarkdown returns the reference of all fields that podbeat writes, as tables.
func FieldsMarkdown() (string, error) {
	sections, leaves, err := described()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("# Fields\n\nWhat podbeat writes. Which of it an event has depends on the input and its `schema`.\n")
	for i, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| field | type | meaning |\n| --- | --- | --- |\n", s.Title, strings.TrimSpace(s.Description))
		for _, f := range leaves[i] {
			name := f.name
			if f.kind == "object" {
				name += ".*"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, f.kind, strings.ReplaceAll(f.description, "|", `\|`))
		}
	}
	return b.String(), nil
}
