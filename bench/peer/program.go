package peer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Program is a log shipper, whatever its configuration.
type Program struct {
	Name   string
	Config string   // name of its configuration file: some know its form by that
	Args   []string // of its command line; ${CONFIG} is the configuration file, ${HOME} an empty directory
	Env    []string // beside this process's
	About  []string // arguments with which it tells its version

	// find builds or installs it, completes Args and Env, and gives the path of the binary.
	find func(ctx context.Context, r *Race, p *Program) (path string, err error)

	path, version string
	err           error // why it is not here
}

// Podbeat is podbeat as its packages and images have it: without C, which saves memory too, and without symbols.
func Podbeat() *Program {
	return beat("podbeat", ".", "CGO_ENABLED=0", "-trimpath", "-tags", "netgo,osusergo", "-ldflags", "-s -w", "./cmd/podbeat")
}

// PodbeatC is podbeat with libsystemd.
func PodbeatC() *Program { return beat("podbeat-c", ".", "CGO_ENABLED=1", "./cmd/podbeat") }

// Filebeat is filebeat with its journald input.
func Filebeat() *Program {
	return beat("filebeat", "bench/filebeat", "CGO_ENABLED=1", "-tags", "withjournald", ".")
}

// beat is a beat, built in the module in a directory below the root with this environment and these arguments of go build.
func beat(name, module, env string, build ...string) *Program {
	return &Program{
		Name: name, Config: "config.yml", Args: []string{"-e", "-c", "${CONFIG}", "--path.home", "${HOME}"}, About: []string{"version"},
		find: func(ctx context.Context, r *Race, p *Program) (string, error) {
			path := filepath.Join(r.Build, name)
			cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", path}, build...)...)
			cmd.Dir, cmd.Env = filepath.Join(r.Root, module), append(os.Environ(), env)
			_, err := Output(cmd)
			return path, err
		},
	}
}

// Rsyslog is Debian's rsyslog. Its imjournal reads the journal in ${JOURNAL}.
func Rsyslog() *Program {
	return &Program{
		Name: "rsyslog", Config: "rsyslog.conf", Args: []string{"-n", "-f", "${CONFIG}", "-i", "${HOME}/pid"}, About: []string{"-v"},
		find: func(ctx context.Context, r *Race, p *Program) (string, error) {
			root, err := debian(ctx, r, p, "rsyslog", "rsyslog-elasticsearch", "libestr0", "libfastjson4", "liblognorm5", "libcurl4")
			if err != nil {
				return "", err
			}
			modules, err := one(root, "usr/lib/*/rsyslog")
			p.Args = append(p.Args, "-M", modules)
			return filepath.Join(root, "usr/sbin/rsyslogd"), err
		},
	}
}

// SyslogNG is Debian's syslog-ng. Its systemd-journal() reads the journal in ${JOURNAL}; ${SCL} is its library of configuration.
func SyslogNG() *Program {
	return &Program{
		Name: "syslog-ng", Config: "syslog-ng.conf", About: []string{"-V"},
		Args: []string{"-F", "--no-caps", "-f", "${CONFIG}", "-R", "${HOME}/persist", "-c", "${HOME}/control", "-p", "${HOME}/pid"},
		find: func(ctx context.Context, r *Race, p *Program) (string, error) {
			root, err := debian(ctx, r, p, "syslog-ng-core", "syslog-ng-mod-http", "syslog-ng-scl",
				"libivykis0", "libnet1", "libpcre3", "libwrap0", "libjson-c5", "libglib2.0-0", "libcurl4")
			if err != nil {
				return "", err
			}
			modules, err := one(root, "usr/lib/syslog-ng/3.*")
			p.Args = append(p.Args, "--module-path", modules)
			r.Vars["SCL"] = filepath.Join(root, "usr/share/syslog-ng/include/scl")
			return filepath.Join(root, "usr/sbin/syslog-ng"), err
		},
	}
}

// FluentBit is the fluent-bit that PODBEAT_FLUENT_BIT names, or that is in PATH: Debian has none.
func FluentBit() *Program {
	return &Program{
		Name: "fluent-bit", Config: "fluent-bit.conf", Args: []string{"-q", "-c", "${CONFIG}"}, About: []string{"--version"},
		find: func(context.Context, *Race, *Program) (string, error) {
			path, err := exec.LookPath(cmp.Or(os.Getenv("PODBEAT_FLUENT_BIT"), "fluent-bit"))
			if err != nil {
				return "", fmt.Errorf("no fluent-bit here, PODBEAT_FLUENT_BIT can name one: %w", err)
			}
			return filepath.Abs(path)
		},
	}
}

// prepare makes the program ready to run, once, and asks its version.
func (p *Program) prepare(ctx context.Context, r *Race) {
	if p.path != "" || p.err != nil {
		return
	}
	if p.path, p.err = p.find(ctx, r, p); p.err != nil {
		return
	}
	cmd := exec.CommandContext(ctx, p.path, p.About...)
	cmd.Env = append(os.Environ(), p.Env...)
	out, err := Output(cmd)
	if err != nil {
		p.err = err
		return
	}
	p.version = version(string(out))
}

// version is the first line of what a program says of itself, without what does not matter here.
func version(said string) string {
	line, _, _ := strings.Cut(said, "\n")
	for _, rest := range []string{" [", " compiled with"} { // of a beat, of rsyslog
		line, _, _ = strings.Cut(line, rest)
	}
	return strings.Join(strings.Fields(line), " ")
}

// debian unpacks Debian packages into a directory of their own: rsyslog and syslog-ng cannot both be installed, and installed they would
// be started. What is unpacked finds its libraries by the environment, and the journal by openjournal.
func debian(ctx context.Context, r *Race, p *Program, packages ...string) (root string, err error) {
	dir := filepath.Join(r.Build, "debian-"+p.Name)
	root = filepath.Join(dir, "root")
	done := filepath.Join(dir, "done")
	if known, err := os.ReadFile(done); err != nil || string(known) != strings.Join(packages, " ") {
		if err := unpack(ctx, dir, root, packages); err != nil {
			return "", err
		}
		if err := os.WriteFile(done, []byte(strings.Join(packages, " ")), 0o644); err != nil {
			return "", err
		}
	}
	library := filepath.Join(r.Build, "openjournal.so")
	source := filepath.Join(r.Root, "bench/peer/openjournal/openjournal.c")
	if _, err := Output(exec.CommandContext(ctx, "cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-lsystemd")); err != nil {
		return "", err
	}
	var folders []string
	for _, pattern := range []string{"lib/*-linux-*", "usr/lib/*-linux-*", "usr/lib/syslog-ng"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return "", err
		}
		folders = append(folders, found...)
	}
	p.Env = append(p.Env, "LD_LIBRARY_PATH="+strings.Join(folders, ":"), "LD_PRELOAD="+library, "JOURNAL=${JOURNAL}")
	return root, nil
}

func unpack(ctx context.Context, dir, root string, packages []string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	download := func() error {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-qq", "download"}, packages...)...)
		cmd.Dir = dir
		_, err := Output(cmd)
		return err
	}
	if err := download(); err != nil {
		if _, uerr := Output(exec.CommandContext(ctx, "apt-get", "-qq", "update")); uerr != nil {
			return errors.Join(err, uerr)
		}
		if err := download(); err != nil {
			return err
		}
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	for _, deb := range debs {
		if _, err := Output(exec.CommandContext(ctx, "dpkg-deb", "-x", deb, root)); err != nil {
			return err
		}
	}
	return err
}

// one is the only path below root that fits the pattern.
func one(root, pattern string) (string, error) {
	found, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("cannot find %s: %d of them (%v)", pattern, len(found), err)
	}
	return found[0], nil
}

// Output runs a command; its error ends with what the command said.
func Output(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		said := strings.Join(strings.Fields(stderr.String()), " ")
		return nil, fmt.Errorf("cannot run %s: %w: %.300s", filepath.Base(cmd.Path), err, said)
	}
	return out, nil
}
