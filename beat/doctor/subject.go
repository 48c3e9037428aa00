package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/elastic/beats/v7/libbeat/paths"

	"github.com/podbeat/podbeat/beat/offline"
)

// A subject is what is examined: a configuration, and the host it is for.
type subject struct {
	host
	*offline.Config
	name     string   // of the beat
	files    []string // of the configuration
	inputs   []input
	free     func(path string) (free, total uint64, err error) // of a file system, in bytes
	unsynced func() (bool, error)                              // the clock is not
	running  bool                                              // a podbeat has the lock on path.data

	server server // see ask
}

// An input is one that is configured and enabled.
type input struct {
	kind, id string
	inputPaths
}

// inputPaths are the options that say where inputs read.
type inputPaths struct {
	Paths        []string `config:"paths"`
	JournalPaths []string `config:"journal_paths"` // another name of paths
	Namespace    string   `config:"namespace"`
	PodLogs      *string  `config:"pod_logs"`
	MaxOpenFiles int      `config:"max_open_files"`
}

// newSubject reads the inputs of a configuration. What is wrong with them is returned, and the others are examined.
func newSubject(c *offline.Config, name, root string, files []string) (*subject, error) {
	s := &subject{host: host{root}, Config: c, name: name, files: files, free: statfs, unsynced: unsynced, running: locked(paths.Resolve(paths.Data, name+".lock"))}
	list, more, failed := c.Inputs()
	s.files = append(s.files, more...)
	for _, cfg := range list {
		if !cfg.Enabled() {
			continue
		}
		in := input{}
		in.kind, _ = cfg.String("type", -1)
		in.id, _ = cfg.String("id", -1)
		if err := cfg.Unpack(&in.inputPaths); err != nil {
			failed = errors.Join(failed, fmt.Errorf("input %s %s: %w", in.kind, in.id, err))
			continue
		}
		in.Paths = append(in.Paths, in.JournalPaths...)
		s.inputs = append(s.inputs, in)
	}
	return s, failed
}

// of returns the inputs of some kinds.
func (s *subject) of(kinds ...string) (list []input) {
	for _, in := range s.inputs {
		if slices.Contains(kinds, in.kind) {
			list = append(list, in)
		}
	}
	return list
}

func data(name string) string { return paths.Resolve(paths.Data, name) }

// locked says whether a process has the lock on a file.
func locked(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() // which unlocks it
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

func statfs(path string) (free, total uint64, err error) {
	var st syscall.Statfs_t
	for { // a folder that is not there yet will be on its parent's file system
		err = syscall.Statfs(path, &st)
		if !errors.Is(err, syscall.ENOENT) || path == filepath.Dir(path) {
			break
		}
		path = filepath.Dir(path)
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), err
}

// few lists some of the names for a person.
func few(names []string) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Of what others wrote a word or a sentence is enough.
func clip80(s string) string  { return clip(s, 80) }
func clip300(s string) string { return clip(s, 300) }

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
