package beat

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/reload"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/paths"
)

// inputFiles watches files that each hold a list of inputs. libbeat's reloader goes by the
// files' times and stops what a broken file used to run; this one goes by their content and
// keeps it running.
type inputFiles struct {
	// Glob of the files, below path.config, such as `inputs.d/*.yml`.
	Path string `config:"path"`
	// Whether changes are followed.
	Reload reloadOptions `config:"reload"`
}

type reloadOptions struct {
	// Follow changes of the files, by their content.
	Enabled bool `config:"enabled"`
	// How often the files are looked at.
	Period time.Duration `config:"period" default:"10s"`
}

var (
	reloads       = monitoring.NewUint(nil, "podbeat.reload.applied")
	reloadsFailed = monitoring.NewUint(nil, "podbeat.reload.refused")
)

// inputFile is what is known of one file.
type inputFile struct {
	sum  [sha256.Size]byte
	good []*common.Config // the newest inputs of it that were all right
}

// run applies the files' inputs by runners until done is closed, then stops them.
//
// distinct says whether a list of inputs may run beside each other and beside podbeat.inputs.
func (f *inputFiles) run(done <-chan struct{}, runners *crew, check func(*common.Config) error, distinct func([]*common.Config) error) {
	log := logp.NewLogger("reload")
	defer runners.Stop()
	known := map[string]*inputFile{}
	again := true // the last try to start what the files say has failed somewhere, or others are to run
	for look := true; ; {
		if changed := look && f.scan(log, known, check, distinct); changed || again {
			err := runners.Reload(wanted(known))
			again = err != nil
			if err != nil {
				log.Errorf("Cannot start every input of %s, trying again in %v: %v", f.Path, f.Reload.Period, err)
			} else {
				reloads.Inc()
			}
		}
		var next <-chan time.Time
		if f.Reload.Enabled || again {
			next = time.After(f.Reload.Period)
		}
		select {
		case <-done:
			return
		case <-runners.switched:
			again, look = true, f.Reload.Enabled
		case <-next:
			look = true
		}
	}
}

// scan brings known up to date and says whether any file's inputs are others now.
func (f *inputFiles) scan(log *logp.Logger, known map[string]*inputFile, check func(*common.Config) error, distinct func([]*common.Config) error) bool {
	pattern := f.Path
	if !filepath.IsAbs(pattern) {
		pattern = paths.Resolve(paths.Config, pattern)
	}
	names, err := filepath.Glob(pattern)
	if err != nil {
		log.Errorf("Cannot look for input files at %s: %v", pattern, err)
		return false
	}
	changed := false
	for name := range known {
		if !slices.Contains(names, name) {
			log.Infof("Input file %s is gone: its inputs are stopped.", name)
			delete(known, name)
			changed = true
		}
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			log.Errorf("Cannot read input file %s, what it held goes on: %v", name, err)
			continue
		}
		file, sum := known[name], sha256.Sum256(text)
		if file == nil {
			file = &inputFile{}
			known[name] = file
		} else if file.sum == sum {
			continue
		}
		file.sum = sum
		list, err := loadInputs(name, check)
		if err == nil {
			all := slices.Clone(list)
			for other, file := range known {
				if other != name {
					all = append(all, file.good...)
				}
			}
			err = distinct(all)
		}
		if err != nil {
			reloadsFailed.Inc()
			log.Errorf("Input file %s is refused, the %d inputs it held before go on: %v", name, len(file.good), err)
			continue
		}
		log.Infof("Input file %s has %d inputs.", name, len(list))
		file.good, changed = list, true
	}
	return changed
}

func loadInputs(name string, check func(*common.Config) error) ([]*common.Config, error) {
	if info, err := os.Stat(name); err != nil {
		return nil, err
	} else if info.Mode().Perm()&0o022 != 0 && common.IsStrictPerms() {
		return nil, fmt.Errorf("others than its owner may write it: chmod go-w %s", name)
	}
	cfg, err := common.LoadFile(name)
	if err != nil {
		return nil, err
	}
	var list []*common.Config
	if !cfg.IsArray() && len(cfg.GetFields()) > 0 {
		return nil, errors.New("want a list of inputs, each beginning with `- type: …`, as podbeat.inputs is one")
	}
	if err := cfg.Unpack(&list); err != nil {
		return nil, err
	}
	for i, c := range list {
		if err := check(c); err != nil {
			return nil, fmt.Errorf("input %d: %w", i, err)
		}
	}
	return list, nil
}

func wanted(known map[string]*inputFile) []*reload.ConfigWithMeta {
	var list []*reload.ConfigWithMeta
	for _, file := range known {
		for _, c := range file.good {
			if c.Enabled() {
				list = append(list, &reload.ConfigWithMeta{Config: c})
			}
		}
	}
	return list
}
