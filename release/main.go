// Command release makes what is given to users, below build/package: archives, Debian packages, a bill of materials of
// each program, the licences of what is linked into it, and checksums of all that. The same commit makes the same
// bytes on the same toolchain: times are the commit's, names are sorted, nothing of the machine gets in.
//
//	commit ─► go build ─► programs ─┬─ archive.go: tar.gz for each platform
//	                                ├─ deb.go: nfpm, from _meta/deb
//	                                ├─ bom.go: CycloneDX and licences, from what the linker wrote into each program
//	                                └─ SHA256SUMS
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A platform is what programs are built for.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "-" + p.arch }

// A release is one run.
type release struct {
	out     string    // the folder of what is made
	version string    // of podbeat
	commit  string    // "" without git
	time    time.Time // of every file in what is made
}

// Programs that run anywhere, and those that need Linux. None needs a C library.
var (
	portable = []string{"logtui", "curator", "logapi"}
	linux    = []string{"podbeat"}
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := flag.String("out", "build/package", "folder to make; what is in it is replaced")
	all := flag.Bool("all", false, "also make what runs there for other platforms")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "release: unknown argument %q: it takes -out FOLDER and -all\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := run(ctx, *out, *all); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string, all bool) error {
	r, err := begin(ctx, out)
	if err != nil {
		return err
	}
	host := platform{runtime.GOOS, runtime.GOARCH}
	if host.os != "linux" {
		return fmt.Errorf("cannot make packages on %s: podbeat reads the journal of a Linux machine", host.os)
	}
	platforms := []platform{host}
	if all {
		for _, p := range []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}} {
			if p != host {
				platforms = append(platforms, p)
			}
		}
	}
	for _, p := range platforms {
		programs := portable
		if p.os == "linux" {
			programs = slices.Concat(linux, portable)
		}
		bin := filepath.Join(r.out, "bin", p.String())
		fmt.Printf("building %s for %s\n", strings.Join(programs, ", "), p)
		if err := r.build(ctx, p, bin, programs); err != nil {
			return err
		}
		if err := r.describe(ctx, p, bin, programs); err != nil {
			return err
		}
		if err := r.archive(p, bin, programs); err != nil {
			return err
		}
	}
	if err := r.debs(ctx, host); err != nil {
		return err
	}
	return r.finish()
}

// begin empties the folder and finds out what is being packed.
func begin(ctx context.Context, out string) (*release, error) {
	if _, err := os.Stat("go.mod"); err != nil {
		return nil, errors.New("run it where go.mod is, as `go tool mage package` does")
	}
	r := &release{out: out, time: time.Unix(0, 0).UTC()}
	text, err := os.ReadFile("beat/command.go")
	if err != nil {
		return nil, err
	}
	_, rest, ok := strings.Cut(string(text), "Version = \"")
	if r.version, _, _ = strings.Cut(rest, `"`); !ok || r.version == "" {
		return nil, errors.New("beat/command.go has no Version")
	}
	if commit, err := output(ctx, "git", "rev-parse", "HEAD"); err == nil { // a source archive has none
		r.commit = commit
		seconds, err := output(ctx, "git", "log", "-1", "--format=%ct")
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("git says %q for the commit's time: %w", seconds, err)
		}
		r.time = time.Unix(n, 0).UTC()
	}
	if err := os.RemoveAll(out); err != nil {
		return nil, err
	}
	return r, os.MkdirAll(out, 0o755)
}

const libbeatVersion = "github.com/elastic/beats/v7/libbeat/version"

// build builds programs, without C.
func (r *release) build(ctx context.Context, p platform, into string, programs []string) error {
	flags := fmt.Sprintf("-s -w -buildid= -X %s.commit=%s -X %s.buildTime=%s", libbeatVersion, r.commit, libbeatVersion, r.time.Format(time.RFC3339))
	for _, name := range programs {
		path := filepath.Join(into, name)
		if p.os == "windows" {
			path += ".exe"
		}
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "netgo,osusergo", "-ldflags", flags, "-o", path, "./cmd/"+name)
		cmd.Env = append(os.Environ(), "GOOS="+p.os, "GOARCH="+p.arch, "CGO_ENABLED=0")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("cannot build %s for %s: %w", name, p, err)
		}
	}
	return nil
}

// finish writes SHA256SUMS and says what there is.
func (r *release) finish() error {
	var names []string
	err := filepath.WalkDir(r.out, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasPrefix(path, filepath.Join(r.out, "bin")+string(filepath.Separator)) {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	var sums strings.Builder
	fmt.Printf("\n%s has\n", r.out)
	for _, path := range names {
		sum, size, err := checksum(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(r.out, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sum, name)
		fmt.Printf("  %-56s %7.1f MiB\n", name, float64(size)/(1<<20))
	}
	fmt.Println("  SHA256SUMS: check with `sha256sum -c SHA256SUMS`")
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

func checksum(path string) (sum []byte, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return h.Sum(nil), size, err
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
