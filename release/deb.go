package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// debs makes a Debian package of each program, as _meta/deb says.
func (r *release) debs(ctx context.Context, p platform) error {
	files, err := filepath.Glob("_meta/deb/*.yaml")
	if err != nil || len(files) == 0 {
		return fmt.Errorf("_meta/deb has no packages: %w", err)
	}
	bin := filepath.Join(r.out, "bin", p.String())
	if err := r.completions(ctx, bin); err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		// nfpm takes environment variables for a few of its keys only.
		filled := filepath.Join(r.out, "bin", filepath.Base(file))
		text = []byte(strings.NewReplacer("${VERSION}", r.version, "${ARCH}", p.arch, "${BIN}", bin, "${TIME}", r.time.Format(time.RFC3339)).Replace(string(text)))
		if err := os.WriteFile(filled, text, 0o644); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "go", "tool", "-modfile=tools.mod", "nfpm", "package", "--config", filled, "--packager", "deb", "--target", r.out)
		cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.time.Unix()))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot make the package of %s: %w\n%s", file, err, out)
		}
	}
	return nil
}

// completions has each program write its completions, and logtui its manual page, where the packages take them from.
func (r *release) completions(ctx context.Context, bin string) error {
	dir := filepath.Join(bin, "share")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	write := func(file, program string, args ...string) error {
		text, err := exec.CommandContext(ctx, filepath.Join(bin, program), args...).Output()
		if err != nil {
			return fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
		}
		return os.WriteFile(filepath.Join(dir, file), text, 0o644)
	}
	for _, program := range append([]string{"podbeat"}, portable...) {
		for _, shell := range []string{"bash", "zsh", "fish"} {
			if err := write(program+"."+shell, program, "completion", shell); err != nil {
				return err
			}
		}
	}
	return write("logtui.1", "logtui", "man")
}
