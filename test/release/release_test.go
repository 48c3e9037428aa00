// Package release makes what `go tool mage package` makes and uses it as users do: archives are unpacked and their sums
// checked, Debian packages installed, upgraded, removed and purged on a fresh Debian, images built and run.
package release

import (
	"bufio"
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// made is the folder with the packages, root the sources.
var made, root string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if root, err = filepath.Abs("../.."); err != nil {
			panic(err)
		}
		dir, err := os.MkdirTemp("", "podbeat-release-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		made = filepath.Join(dir, "package")
		cmd := exec.Command("go", "run", "./release", "-out", made)
		cmd.Dir, cmd.Stderr = root, os.Stderr
		if out, err := cmd.Output(); err != nil {
			fmt.Fprintf(os.Stderr, "cannot make the packages: %v\n%s", err, out)
			return 1
		}
		defer dropImages()
		return m.Run()
	}())
}

// command runs a program and returns what it prints.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	out, err := try(dir, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func try(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestSums(t *testing.T) {
	command(t, made, "sha256sum", "--check", "--strict", "SHA256SUMS")
	sums, err := os.ReadFile(filepath.Join(made, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(made)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && e.Name() != "SHA256SUMS" && !strings.Contains(string(sums), "  "+e.Name()+"\n") {
			t.Errorf("SHA256SUMS leaves %s out", e.Name())
		}
	}
	if n := strings.Count(string(sums), "\n"); n < 5 { // an archive and four packages
		t.Errorf("only %d files were made:\n%s", n, sums)
	}
}

// glob returns the one file that a pattern is for.
func glob(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(made, pattern))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %v %v", pattern, files, err)
	}
	return files[0]
}

func TestArchive(t *testing.T) {
	dir := t.TempDir()
	command(t, dir, "tar", "-xzf", glob(t, "podbeat-*-linux-"+runtime.GOARCH+".tar.gz"), "--strip-components=1")
	for _, want := range []string{"podbeat", "curator", "logapi", "logtui", "LICENSE", "LICENSES.txt", "README.md", "podbeat.yml", "podbeat.reference.yml",
		"systemd/podbeat.service", "k8s/base/kustomization.yaml", "helm/podbeat/Chart.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, want)); err != nil {
			t.Error(err)
		}
	}
	for _, program := range []string{"curator", "logapi", "logtui"} {
		if out := command(t, dir, "file", "-b", program); !strings.Contains(out, "statically linked") {
			t.Errorf("%s is %s", program, out)
		}
		command(t, dir, "./"+program, "--help")
	}
	command(t, dir, "./podbeat", "version")
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	command(t, dir, "./podbeat", "test", "config", "-c", filepath.Join(dir, "podbeat.yml"), "--path.data", filepath.Join(dir, "data"))
	if out := command(t, dir, "tar", "-tvzf", glob(t, "podbeat-*-linux-"+runtime.GOARCH+".tar.gz")); !regexp.MustCompile(`-rwxr-xr-x root/root .* podbeat-[^/]+/podbeat\n`).MatchString(out) {
		t.Errorf("podbeat is not root's, or cannot be run:\n%s", out)
	}
}

// A bill of materials names each module that `go version -m` finds in the program, in the version that is linked.
func TestBills(t *testing.T) {
	bin := filepath.Join(made, "bin", "linux-"+runtime.GOARCH)
	licences, err := os.ReadFile(filepath.Join(bin, "LICENSES.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"podbeat", "curator", "logapi", "logtui"} {
		info, err := buildinfo.ReadFile(filepath.Join(bin, program))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"std": strings.TrimPrefix(info.GoVersion, "go")}
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			want[m.Path] = m.Version
			if !strings.Contains(string(licences), "\n"+m.Path+"@"+m.Version+", ") {
				t.Errorf("LICENSES.txt has nothing of %s", m.Path)
			}
		}
		text, err := os.ReadFile(filepath.Join(bin, program+".cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		var bom struct {
			BomFormat, SpecVersion string
			Components             []struct{ Name, Version, Purl string }
		}
		if err := json.Unmarshal(text, &bom); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, c := range bom.Components {
			got[c.Name] = c.Version
			if c.Purl != "pkg:golang/"+c.Name+"@"+c.Version {
				t.Errorf("%s: %+v", program, c)
			}
		}
		if bom.BomFormat != "CycloneDX" || bom.SpecVersion == "" || len(got) < 5 || !maps.Equal(got, want) {
			t.Errorf("%s: %s %s has %d modules, and the program %d", program, bom.BomFormat, bom.SpecVersion, len(got), len(want))
		}
	}
}

// systemd finds nothing wrong with the units of the packages, and calls each well confined: 10 is as if it were no unit.
func TestUnits(t *testing.T) {
	units, err := filepath.Glob(filepath.Join(root, "_meta/systemd/*.service"))
	if err != nil || len(units) != 3 {
		t.Fatal(units, err)
	}
	timers, _ := filepath.Glob(filepath.Join(root, "_meta/systemd/*.timer"))
	out, _ := try("", "systemd-analyze", append([]string{"verify"}, slices.Concat(units, timers)...)...)
	for line := range strings.Lines(out) {
		if !strings.Contains(line, "is not executable: No such file or directory") { // the programs are not installed on this machine
			t.Error(line)
		}
	}
	for _, unit := range units {
		if out, err := try("", "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=20", unit); err != nil {
			t.Errorf("%s: %v: it is exposed to more than 2.0\n%s", unit, err, out)
		}
	}
}

// fields reads `dpkg-deb --field`.
func fields(text string) map[string]string {
	all := map[string]string{}
	for s := bufio.NewScanner(bytes.NewReader([]byte(text))); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ": "); ok && !strings.HasPrefix(name, " ") {
			all[name] = value
		}
	}
	return all
}

func TestControl(t *testing.T) {
	f := func(name, depends string) {
		t.Helper()
		got := fields(command(t, made, "dpkg-deb", "--field", glob(t, name+"_*.deb")))
		if got["Package"] != name || got["Depends"] != depends || got["Architecture"] != command(t, "", "dpkg", "--print-architecture")[:len(got["Architecture"])] ||
			got["Version"] == "" || got["Maintainer"] == "" || got["Section"] == "" || got["Installed-Size"] == "" {
			t.Errorf("%s: %v", name, got)
		}
	}
	f("podbeat", "adduser")
	f("logapi", "adduser")
	f("podbeat-curator", "adduser")
	f("logtui", "")
}
