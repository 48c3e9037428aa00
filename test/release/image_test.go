package release

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// driver is how images are kept: overlay, where this machine can, copies nothing.
var driver = sync.OnceValue(func() string {
	dir := filepath.Join(filepath.Dir(made), "overlay")
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return "vfs"
		}
	}
	merged := filepath.Join(dir, "merged")
	if err := unix.Mount("overlay", merged, "overlay", 0, fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir)); err != nil {
		return "vfs"
	}
	_ = unix.Unmount(merged, 0)
	return "overlay"
})

// buildah runs buildah, whose images are all below the folder of this test.
func buildah(args ...string) (string, error) {
	dir := filepath.Dir(made)
	return try(root, "buildah", append([]string{"--storage-driver", driver(), "--root", filepath.Join(dir, "images"), "--runroot", filepath.Join(dir, "run")}, args...)...)
}

// dropImages unmounts what containers have mounted.
func dropImages() { _, _ = buildah("rm", "--all") }

// builder is an image of Debian with this machine's Go in the place of the one that the Dockerfile names, which is in a
// registry that tests do not ask.
var builder = sync.OnceValues(func() (string, error) {
	dir, err := debian()
	if err != nil {
		return dir, err
	}
	const recipe = "FROM scratch\nCOPY debian /\nCOPY go /usr/local/go\n"
	context := filepath.Dir(made)
	if err := os.WriteFile(filepath.Join(context, "Dockerfile"), []byte(recipe), 0o644); err != nil {
		return "", err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	if err := exec.Command("cp", "-a", strings.TrimSpace(string(goroot)), filepath.Join(context, "go")).Run(); err != nil {
		return "", err
	}
	return buildah("bud", "--isolation", "chroot", "--tag", "builder", "--ignorefile", os.DevNull, "--file", filepath.Join(context, "Dockerfile"), context)
})

// goEnv is what `go env` says.
func goEnv(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(command(t, root, "go", "env", name))
}

// image builds an image as the Dockerfile says, with this machine's module and build caches, and returns the folder with its
// files and the name of a container of it.
func image(t *testing.T, target string) (files, container string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("building images takes root: run this test as root, as `sudo go test ./test/release`")
	}
	if out, err := builder(); err != nil {
		t.Fatalf("cannot make an image to build with: %v\n%s", err, out)
	}
	args := []string{"bud", "--layers", "--isolation", "chroot", "--target", target, "--tag", target, "--build-arg", "GO=localhost/builder",
		"--volume", goEnv(t, "GOMODCACHE") + ":/root/go/pkg/mod", "--volume", goEnv(t, "GOCACHE") + ":/root/.cache/go-build"}
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GONOSUMDB"} {
		if value := goEnv(t, name); value != "" {
			args = append(args, "--build-arg", name+"="+value)
		}
	}
	if out, err := buildah(append(args, root)...); err != nil {
		t.Fatalf("cannot build the image %s: %v\n%s", target, err, out)
	}
	name, err := buildah("from", "localhost/"+target)
	if err != nil {
		t.Fatal(name)
	}
	name = strings.TrimSpace(name)
	dir, err := buildah("mount", name)
	if err != nil {
		t.Fatal(dir)
	}
	return strings.TrimSpace(dir), name
}

// An image has no shell, runs as nobody in particular, and its programs do.
func TestImages(t *testing.T) {
	f := func(target string, args ...string) (files string) {
		t.Helper()
		files, container := image(t, target)
		for _, no := range []string{"bin/sh", "usr/bin/sh", "usr/bin/apt", "root", "out", "src"} {
			if _, err := os.Lstat(filepath.Join(files, no)); err == nil {
				t.Errorf("the image %s has /%s", target, no)
			}
		}
		text, err := buildah("inspect", container)
		if err != nil {
			t.Fatal(text)
		}
		var described struct {
			OCIv1 struct {
				Config struct {
					User       string
					Entrypoint []string
				} `json:"config"`
			}
		}
		if err := json.Unmarshal([]byte(text), &described); err != nil {
			t.Fatal(err)
		}
		if c := described.OCIv1.Config; c.User != "65532:65532" || len(c.Entrypoint) != 1 || c.Entrypoint[0] != "/usr/bin/"+target {
			t.Errorf("the image %s runs %v as %s", target, c.Entrypoint, c.User)
		}
		if out, err := buildah(append([]string{"run", "--isolation", "chroot", container, "/usr/bin/" + target}, args...)...); err != nil {
			t.Errorf("%s %v: %v\n%s", target, args, err, out)
		}
		return files
	}
	f("curator", "--help")
	f("logapi", "--help")
	f("logtui", "--version")
	files := f("podbeat", "version")

	// podbeat reads a journal with what is in the image.
	journal, err := exec.Command("gzip", "-dc", filepath.Join(root, "demo/sample.journal.gz")).Output()
	if err != nil {
		t.Fatal(err)
	}
	const config = "podbeat.inputs:\n- {type: journal, paths: [/sample.journal], seek: head}\noutput.console: ~\n"
	for name, text := range map[string][]byte{"sample.journal": journal, "etc/podbeat/podbeat.yml": []byte(config)} {
		if err := os.WriteFile(filepath.Join(files, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(files, "etc/podbeat/podbeat.yml"), 65532, 65532); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(files, "var/lib/podbeat"), 65532, 65532); err != nil { // a volume, elsewhere
		t.Fatal(err)
	}
	proc := filepath.Join(files, "proc") // as every container has it
	if err := errors.Join(os.MkdirAll(proc, 0o555), unix.Mount("proc", proc, "proc", 0, "")); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Unmount(proc, unix.MNT_DETACH) }()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "chroot", "--userspec=65532:65532", files, "/usr/bin/podbeat", "run", "-e", "-c", "/etc/podbeat/podbeat.yml",
		"--path.config", "/etc/podbeat", "--path.data", "/var/lib/podbeat", "--path.logs", "/var/lib/podbeat/logs")
	cmd.WaitDelay = 10 * time.Second
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len(`{"@timestamp":"2024-05-17T`))
	if _, err := io.ReadFull(out, first); err != nil || string(first) != `{"@timestamp":"2024-05-17T` {
		t.Errorf("podbeat in its image prints %q, %v", first, err)
	}
	cancel()
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err == nil || t.Failed() {
		t.Log(log.String())
	}
}
