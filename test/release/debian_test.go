package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// debian returns the folder of a fresh Debian, with what the build of the images asks for. It is made once and kept
// beside the servers of the other tests, as a tar file.
var debian = sync.OnceValues(func() (string, error) {
	cache := os.Getenv("SERVICES_CACHE")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(home, ".cache/podbeat-services")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	kept, dir := filepath.Join(cache, "debian-bookworm-"+runtime.GOARCH+".tar"), filepath.Join(filepath.Dir(made), "debian")
	if _, err := os.Stat(kept); err != nil {
		part, err := os.CreateTemp(cache, "debian-")
		if err != nil {
			return "", err
		}
		part.Close()
		defer os.Remove(part.Name())
		cmd := exec.Command("debootstrap", "--variant=minbase", "--include=adduser,ca-certificates", "bookworm", dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return string(out), err
		}
		if out, err := exec.Command("tar", "-C", dir, "--numeric-owner", "-cf", part.Name(), ".").CombinedOutput(); err != nil {
			return string(out), err
		}
		return dir, os.Rename(part.Name(), kept)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	out, err := exec.Command("tar", "-C", dir, "--numeric-owner", "-xpf", kept).CombinedOutput()
	if err != nil {
		return string(out), err
	}
	return dir, nil
})

// machine is a fresh Debian that a test may change.
func machine(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("installing packages takes root: run this test as root, as `sudo go test ./test/release`")
	}
	base, err := debian()
	if err != nil {
		t.Fatalf("cannot make a Debian to install on: %v\n%s", err, base)
	}
	dir := filepath.Join(t.TempDir(), "debian")
	command(t, "", "cp", "-a", "--reflink=auto", base, dir)
	return dir
}

func within(t *testing.T, machine string, args ...string) string {
	t.Helper()
	return command(t, "", "chroot", append([]string{machine}, args...)...)
}

func TestInstall(t *testing.T) {
	m := machine(t)
	var debs []string
	for _, pattern := range []string{"podbeat_*.deb", "logapi_*.deb", "podbeat-curator_*.deb", "logtui_*.deb"} {
		file := glob(t, pattern)
		command(t, "", "cp", file, filepath.Join(m, "tmp"))
		debs = append(debs, "/tmp/"+filepath.Base(file))
	}
	install := func() string { return within(t, m, append([]string{"dpkg", "--install"}, debs...)...) }
	out := install()
	for _, want := range []string{"systemctl enable --now podbeat", "systemctl enable --now logapi", "systemctl enable --now curator.timer"} {
		if !strings.Contains(out, want) {
			t.Errorf("installing does not say %q:\n%s", want, out)
		}
	}

	// Each runs as its user, which reads its configuration and cannot change it.
	as := func(user string, args ...string) (string, error) {
		return try("", "chroot", append([]string{"--userspec=" + user + ":" + user, "--groups=" + user, m}, args...)...)
	}
	f := func(user, file string) {
		t.Helper()
		if out, err := as(user, "cat", file); err != nil {
			t.Errorf("%s cannot read %s: %s", user, file, out)
		}
		if _, err := as(user, "sh", "-c", ": >> "+file); err == nil {
			t.Errorf("%s may write %s", user, file)
		}
		if _, err := as("nobody", "cat", file); user != "nobody" && err == nil {
			t.Errorf("all may read %s, in which there may be a password", file)
		}
	}
	within(t, m, "sh", "-c", "groupadd -f nobody; install -d -o podbeat -g podbeat /var/lib/podbeat /var/log/podbeat; install -d -o logapi -g logapi /var/lib/logapi")
	f("podbeat", "/etc/podbeat/podbeat.yml")
	f("logapi", "/etc/podbeat/logapi.yml")
	f("curator", "/etc/podbeat/curator.yml")
	g := func(user string, args ...string) {
		t.Helper()
		if out, err := as(user, args...); err != nil {
			t.Errorf("%s: %v: %v\n%s", user, args, err, out)
		}
	}
	g("podbeat", "podbeat", "test", "config", "-c", "/etc/podbeat/podbeat.yml", "--path.config", "/etc/podbeat", "--path.data", "/var/lib/podbeat")
	// Without flags it finds its folders, and passwords in files.
	within(t, m, "sh", "-c", `sed -i 's/#password:.*/password: ${ES_PASSWORD}/; s/#username:.*/username: podbeat/' /etc/podbeat/podbeat.yml`)
	if out, err := as("podbeat", "podbeat", "test", "config"); err == nil {
		t.Errorf("a password that is nowhere is not missed:\n%s", out)
	}
	within(t, m, "sh", "-c", "umask 027; echo secret > /etc/podbeat/secrets/ES_PASSWORD; chgrp podbeat /etc/podbeat/secrets/ES_PASSWORD")
	g("podbeat", "podbeat", "test", "config")
	g("logapi", "logapi", "check", "--config", "/etc/podbeat/logapi.yml")
	g("curator", "curator", "policy", "check", "/etc/podbeat/retention.yml")
	g("nobody", "logtui", "--version")
	g("nobody", "bash", "-c", "source /usr/share/bash-completion/completions/podbeat && complete -p podbeat")

	// The units start what is installed.
	for _, unit := range []string{"podbeat", "logapi", "curator"} {
		text := within(t, m, "sed", "-n", `s/^Exec[A-Za-z]*=\(\/usr[^ ]*\).*/\1/p`, "/lib/systemd/system/"+unit+".service")
		for _, program := range strings.Fields(text) {
			within(t, m, "test", "-x", program)
		}
		if text == "" {
			t.Errorf("%s.service starts nothing", unit)
		}
	}

	// An upgrade keeps what was written into the configuration, and rights given by hand.
	config := filepath.Join(m, "etc/podbeat/podbeat.yml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	mine := append(text, "# of this machine\n"...)
	if err := os.WriteFile(config, mine, 0o640); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(m, "var/lib/podbeat/registry")
	if err := os.WriteFile(state, []byte("positions"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := install(); strings.Contains(out, "systemctl enable") {
		t.Errorf("an upgrade speaks as if it were new:\n%s", out)
	}
	if text, err = os.ReadFile(config); err != nil || string(text) != string(mine) {
		t.Errorf("an upgrade has changed podbeat.yml: %v", err)
	}
	f("podbeat", "/etc/podbeat/podbeat.yml")

	// Removing leaves configuration and state, purging nothing.
	names := []string{"podbeat", "logapi", "podbeat-curator", "logtui"}
	within(t, m, append([]string{"dpkg", "--remove"}, names...)...)
	for _, path := range []string{config, state} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("removing takes away %v", err)
		}
	}
	if _, err := os.Stat(filepath.Join(m, "usr/bin/podbeat")); err == nil {
		t.Error("podbeat is removed and still there")
	}
	within(t, m, append([]string{"dpkg", "--purge"}, names...)...)
	for _, path := range []string{"etc/podbeat", "var/lib/podbeat", "var/lib/logapi", "var/log/podbeat", "usr/share/doc/podbeat", "lib/systemd/system/podbeat.service"} {
		if _, err := os.Stat(filepath.Join(m, path)); err == nil {
			t.Errorf("purging leaves /%s", path)
		}
	}
}
