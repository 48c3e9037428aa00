// Package elastic has Elastic Curator, which podbeat's curator stands in for, at hand for tests that compare the two.
//
// Each version is installed once by pip into a folder of its own in ${SERVICES_CACHE:-~/.cache/podbeat-services}.
package elastic

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// The versions that can be installed. 8 speaks to Elasticsearch 7.14 to 8, 5 to 5 to 7.
const (
	V8 = "8.0.21"
	V5 = "5.8.4"
)

// packages are pip's arguments, one call a line. The PyYAML that 5.8.4 asks for is to be had as source alone, which
// today's tools cannot build; a newer one does the same here.
var packages = map[string][][]string{
	V8: {{
		"elasticsearch-curator==" + V8, "es_client==8.17.5", "elasticsearch8==8.17.2", "elastic-transport==8.19.0",
		"urllib3==2.8.0", "PyYAML==6.0.2", "voluptuous==0.16.0", "click==8.1.8", "certifi==2026.10.18",
	}},
	V5: {{
		"PyYAML==6.0.3", "elasticsearch==7.17.13", "urllib3==1.26.4", "requests==2.34.2", "boto3==1.44.5",
		"requests-aws4auth==1.4.0", "click==7.1.2", "voluptuous==0.16.0", "certifi==2026.10.18", "six==1.17.0",
	}, {
		"--no-deps", "elasticsearch-curator==" + V5,
	}},
}

// Program returns the path of a version's command `curator`, and installs it if need be. The error says what the
// machine lacks.
func Program(version string) (string, error) {
	dir, err := install(version)
	if err != nil {
		return "", fmt.Errorf("cannot install Elastic Curator %s: %w", version, err)
	}
	return filepath.Join(dir, "bin", "curator"), nil
}

// install locks out the tests of other packages, which run at the same time. What it makes cannot be moved, since
// Python's scripts hold their own paths, so a file tells a finished installation from a broken one.
func install(version string) (dir string, err error) {
	cache := os.Getenv("SERVICES_CACHE")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(home, ".cache", "podbeat-services")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	dir = filepath.Join(cache, "elastic-curator-"+version)
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if _, err := exec.LookPath("python3"); err != nil {
		return "", errors.New("python3 is missing; install it: apt-get install -y python3 python3-venv")
	}
	if out, err := exec.Command("python3", "-m", "venv", "--clear", dir).CombinedOutput(); err != nil {
		return "", fmt.Errorf("python's venv is missing; install it: apt-get install -y python3-venv (%w: %s)", err, out)
	}
	for _, args := range packages[version] {
		args = append([]string{"-q", "--disable-pip-version-check", "install"}, args...)
		if out, err := exec.Command(filepath.Join(dir, "bin", "pip"), args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("pip %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return dir, os.WriteFile(done, nil, 0o644)
}
