package peer

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// ticks is USER_HZ: 100 on every Linux.
const ticks = 100

type usage struct {
	user, system     float64 // seconds, of the processes and of their children that have ended
	peakMiB, anonMiB float64
}

// A process is what /proc/PID/stat says that matters here.
type process struct {
	pid, parent  int
	user, system float64 // seconds, with those of ended children
}

// treeUsage sums over root and its descendants.
func treeUsage(root int) (u usage) {
	all := map[int]process{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		if b, err := os.ReadFile(path); err == nil { // it may have ended
			if p, ok := parseStat(b); ok {
				all[p.pid] = p
			}
		}
	}
	for pid, p := range all {
		if !descends(all, pid, root) {
			continue
		}
		u.user += p.user
		u.system += p.system
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
		if err != nil {
			continue
		}
		peak, anon := parseStatus(b)
		u.peakMiB += peak
		u.anonMiB += anon
	}
	return u
}

func descends(all map[int]process, pid, root int) bool {
	for range len(all) {
		if pid == root {
			return true
		}
		pid = all[pid].parent
	}
	return false
}

// parseStat reads /proc/PID/stat (proc(5)). The command, in parentheses, may hold anything.
func parseStat(b []byte) (process, bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return process{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:open])))
	f := strings.Fields(string(b[end+1:]))
	if err != nil || len(f) < 15 {
		return process{}, false
	}
	num := func(i int) float64 { v, _ := strconv.ParseFloat(f[i], 64); return v }
	return process{
		pid: pid, parent: int(num(1)),
		user:   (num(11) + num(13)) / ticks,
		system: (num(12) + num(14)) / ticks,
	}, true
}

// parseStatus reads VmHWM and RssAnon of /proc/PID/status, in MiB.
func parseStatus(b []byte) (peak, anon float64) {
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmHWM":
			peak = kib / 1024
		case "RssAnon":
			anon = kib / 1024
		}
	}
	return peak, anon
}

// machineCPU is what all CPUs have spent, in seconds: on work, and waiting for the host.
func machineCPU() (busy, steal float64) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	if len(f) < 9 {
		return 0, 0
	}
	num := func(i int) float64 { v, _ := strconv.ParseFloat(f[i], 64); return v / ticks }
	return num(1) + num(2) + num(3) + num(6) + num(7), num(8)
}

// calibrate times a fixed piece of work, hashing over scattered memory, in milliseconds.
func calibrate() float64 {
	begun := time.Now()
	b := make([]byte, 8<<20)
	h := uint64(14695981039346656037)
	for range 3 {
		for i := range b {
			h = (h ^ uint64(b[i])) * 1099511628211
			b[h%uint64(len(b))]++
		}
	}
	runtime.KeepAlive(h) // the compiler must not leave the work out
	return float64(time.Since(begun).Microseconds()) / 1000
}
