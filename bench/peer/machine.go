package peer

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine says in a line on what a benchmark ran.
func Machine() string {
	read := func(path string) []byte { b, _ := os.ReadFile(path); return b }
	kib, _ := strconv.ParseFloat(strings.TrimSuffix(entry(read("/proc/meminfo"), "MemTotal", ":"), " kB"), 64)
	return fmt.Sprintf("%d cores of %s, %.0f GiB, Linux %s, %s, %s", runtime.NumCPU(),
		cmp.Or(entry(read("/proc/cpuinfo"), "model name", ":"), runtime.GOARCH), kib/(1<<20),
		bytes.TrimSpace(read("/proc/sys/kernel/osrelease")),
		strings.Trim(entry(read("/etc/os-release"), "PRETTY_NAME", "="), `"`), runtime.Version())
}

// entry is the value of the first line of a file like those in /proc that has the key; empty without one.
func entry(file []byte, key, separator string) string {
	for line := range strings.Lines(string(file)) {
		if k, v, ok := strings.Cut(line, separator); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
