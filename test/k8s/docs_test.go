package k8s

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/test/harness"
)

// block is a piece of YAML in a page that begins with its file's name.
var block = regexp.MustCompile("(?ms)^( *)```yaml\n *# ([a-z.]+)\n(.*?)^ *```$")

// blocks are those of a page of docs, by file.
func blocks(t *testing.T, page string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		found[m[2]] = regexp.MustCompile("(?m)^"+m[1]).ReplaceAllString(m[3], "")
	}
	return found
}

// TestPages does what docs/kubernetes.md and docs/migration.md show.
func TestPages(t *testing.T) {
	f := func(page string, want ...string) {
		t.Helper()
		files := blocks(t, page)
		for _, name := range want {
			if files[name] == "" {
				t.Fatalf("%s: no %s", page, name)
			}
		}
		links(t, page)
		dir := t.TempDir()
		for _, from := range []string{"overlays/kafka", "base"} { // what a reader is told to copy
			names, _ := filepath.Glob(meta + "k8s/" + from + "/*.yml")
			for _, name := range names {
				if text, err := os.ReadFile(name); err == nil && files[filepath.Base(name)] == "" {
					files[filepath.Base(name)] = string(text)
				}
			}
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.CopyFS(filepath.Join(dir, "podbeat/_meta/k8s"), os.DirFS(meta+"k8s")); err != nil {
			t.Fatal(err)
		}
		out, err := tool(t, nil, "kustomize", "build", dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range check(mustDecode(t, out)) {
			t.Errorf("%s: %s", page, wrong)
		}
		if _, err := tool(t, out, "validate"); err != nil {
			t.Errorf("%s: %v", page, err)
		}
		if slices.Contains(want, "values.yaml") {
			text := helm(t, "-f", filepath.Join(dir, "values.yaml"))
			if _, err := tool(t, text, "validate"); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
		if slices.Contains(want, "shipper.yml") {
			cmd := exec.Command(harness.Program(t, "podbeat"), "test", "config", "--path.config", dir, "--path.data", t.TempDir(), "-c", "shipper.yml")
			cmd.Env = append(os.Environ(), "ES_USERNAME=u", "ES_PASSWORD=p")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", page, err, out)
			}
		}
		if slices.Contains(want, "retention.yml") {
			cmd := exec.Command(harness.Program(t, "curator"), "explain", "--policy", filepath.Join(dir, "retention.yml"), "logstash-journalbeat-node1_example_com-2026.11.01", "logstash-filebeat-n1-2026.11.01")
			if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), "rule     default: age 7d\n") != 2 {
				t.Errorf("%s: %v: %s", page, err, out)
			}
		}
	}
	f("kubernetes.md", "kustomization.yaml", "values.yaml")
	f("migration.md", "kustomization.yaml", "shipper.yml", "retention.yml")
}

// links wants the pages, sections, components and metrics that a page names to be there.
func links(t *testing.T, page string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`).FindAllStringSubmatch(string(text), -1) {
		to := page
		if m[1] != "" {
			to = m[1]
		}
		there, err := os.ReadFile("../../docs/" + to)
		section := regexp.MustCompile("(?mi)^#+ " + strings.ReplaceAll(regexp.QuoteMeta(m[2]), "-", "[- ]") + "$")
		if err != nil && m[2] != "" || m[2] != "" && !section.Match(there) && !strings.Contains(strings.ToLower(string(there)), "**"+m[2]+"**") {
			t.Errorf("%s: no section %s in %s", page, m[2], to)
		}
		if _, err := os.Stat("../../docs/" + to); err != nil {
			t.Errorf("%s: %v", page, err)
		}
	}
	for _, name := range regexp.MustCompile(`podbeat_[a-z_]+`).FindAllString(string(text), -1) {
		if !strings.Contains(string(metrics), "`"+name+"`") {
			t.Errorf("%s: no metric %s", page, name)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| `[a-z]+\\.").FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(meta + "k8s/components/" + m[1]); err != nil {
			t.Errorf("%s: %v", page, err)
		}
	}
}
