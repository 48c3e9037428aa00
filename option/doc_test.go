package option

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const example = `package x

import "example.org/m/y"

type options struct {
	// Where to read,
	// one or more.
	Paths []string ` + "`config:\"paths\" alias:\"files\" default:\"[a|b]\"`" + `
	// Deeper.
	Inner inner ` + "`config:\"inner\"`" + `
	hidden int
	y.Options ` + "`config:\",inline\"`" + `
}

type inner struct {
	// How long.
	Wait time.Duration ` + "`config:\"wait\" default:\"5s\"`" + `
	// Which.
	Kind string ` + "`config:\"kind\" required:\"true\"`" + `
}
`

func TestDescribe(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("x.go", example)
	write("go.mod", "module example.org/m\n")
	if err := os.Mkdir(filepath.Join(dir, "y"), 0o755); err != nil {
		t.Fatal(err)
	}
	write("y/y.go", "package y\n\ntype Options struct {\n\t// Elsewhere.\n\tFar string `config:\"far\"`\n}\n")
	docs, err := Describe(dir, "options")
	if err != nil {
		t.Fatal(err)
	}
	want := []Doc{
		{"paths", []string{"files"}, "list", "[a|b]", "Where to read, one or more.", false},
		{"inner", nil, "section", "", "Deeper.", false},
		{"inner.wait", nil, "duration", "5s", "How long.", false},
		{"inner.kind", nil, "text", "", "Which.", true},
		{"far", nil, "text", "", "Elsewhere.", false},
	}
	if d := cmp.Diff(want, docs); d != "" {
		t.Error(d)
	}
	yaml := `
    # Where to read, one or more.
    #paths: [a|b]

    # Deeper.
    #inner:

      # How long.
      #wait: 5s

      # Which.
      #kind:

    # Elsewhere.
    #far:
`
	if d := cmp.Diff(yaml, YAML(docs, "    ")); d != "" {
		t.Error(d)
	}
	readme := write("README.md", "# x\n<!-- options: options -->\nold\n<!-- /options -->\nend\n")
	filled, err := Fill(readme)
	if err != nil {
		t.Fatal(err)
	}
	table := "# x\n<!-- options: options -->\n| option | default | meaning |\n| --- | --- | --- |\n" +
		"| `paths`, `files` | `[a\\|b]` | Where to read, one or more. |\n| `inner` |  | Deeper. |\n" +
		"| `inner.wait` | `5s` | How long. |\n| `inner.kind` | required | Which. |\n| `far` |  | Elsewhere. |\n<!-- /options -->\nend\n"
	if d := cmp.Diff(table, filled); d != "" {
		t.Error(d)
	}
	if _, err := Describe(dir, "nosuch"); err == nil {
		t.Error("describing a struct that is not there must fail")
	}
}
