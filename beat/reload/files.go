package reload

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/paths"
	"gopkg.in/yaml.v2" // which libbeat reads them with
)

// maxFile is how long a file of the configuration may be.
const maxFile = 16 << 20

// Files are files that each hold a list of inputs.
type Files struct {
	// Glob of the files, below path.config, such as `inputs.d/*.yml`.
	Path string `config:"path"`
	// Whether changes are followed.
	Reload FilesOptions `config:"reload"`
}

// FilesOptions say how input files are followed.
type FilesOptions struct {
	// Follow changes of the files, by their content.
	Enabled bool `config:"enabled"`
	// How often the files are looked at.
	Period time.Duration `config:"period" default:"10s"`
}

// Validate refuses what cannot work.
func (o *FilesOptions) Validate() error {
	if o.Period <= 0 {
		return fmt.Errorf("cannot use reload.period %v: want more than 0", o.Period)
	}
	return nil
}

type sum [sha256.Size]byte

func (s sum) String() string { return fmt.Sprintf("%x", s[:6]) }

// content is what all files say at one moment.
type content struct {
	config  []byte            // of the configuration files, with their names
	inputs  map[string][]byte // of the input files, by their names
	wrong   map[string]error  // input files that cannot be read
	secrets *secretFiles
	certs   sum    // of the files with certificates and keys that the output has
	rights  string // why libbeat will not read a configuration file, since others may write it: chmod mends that
}

// sum is of all but the input files, which are followed one by one.
func (c *content) sum() sum {
	secrets := c.secrets.sum()
	return sha256.Sum256(slices.Concat(secrets[:], c.certs[:], []byte(c.rights), c.config))
}

// all is the sum of everything.
func (c *content) all() sum {
	h := sha256.New()
	rest := c.sum()
	h.Write(rest[:])
	for _, name := range sortedKeys(c.inputs) {
		fmt.Fprintf(h, "%s %d\n", name, len(c.inputs[name]))
		h.Write(c.inputs[name])
	}
	for _, name := range sortedKeys(c.wrong) {
		fmt.Fprintf(h, "%s %v\n", name, c.wrong[name])
	}
	return sum(h.Sum(nil))
}

// read reads all files.
func (r *Reloader) read() *content {
	c := &content{inputs: map[string][]byte{}, wrong: map[string]error{}, secrets: readSecrets(), certs: certificates(r.now.settings)}
	var b bytes.Buffer
	for _, name := range configFiles() {
		text, err := readBounded(name, maxFile)
		fmt.Fprintf(&b, "%s %d %v\n", name, len(text), err)
		b.Write(text)
		if wrong := common.OwnerHasExclusiveWritePerms(name); err == nil && wrong != nil && common.IsStrictPerms() {
			c.rights += wrong.Error()
		}
	}
	c.config = b.Bytes()
	if r.parts.Files.Path == "" {
		return c
	}
	names, err := filepath.Glob(paths.Resolve(paths.Config, r.parts.Files.Path))
	if err != nil {
		r.log.Errorf("Cannot look for input files at %s: %v", r.parts.Files.Path, err)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			continue
		}
		text, err := readBounded(name, maxFile)
		if err != nil {
			c.wrong[name] = err
			continue
		}
		c.inputs[name] = text
	}
	return c
}

// certificates is the sum of the files that the output of a configuration reads when it is made.
func certificates(settings map[string]any) sum {
	h := sha256.New()
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range sortedKeys(v) {
				walk(name, v[name])
			}
		case []any:
			for _, v := range v {
				walk(name, v)
			}
		case string:
			switch name {
			case "certificate", "key", "certificate_authorities", "keytab":
				if info, err := os.Stat(v); err == nil && info.Mode().IsRegular() {
					text, err := readBounded(v, maxFile)
					fmt.Fprintf(h, "%s %d %v\n", v, len(text), err)
					h.Write(text)
				}
			}
		}
	}
	walk("", settings["output"])
	return sum(h.Sum(nil))
}

// configFiles are the files that libbeat's flag -c names.
func configFiles() []string {
	c := flag.Lookup("c")
	if c == nil {
		return nil
	}
	list, _ := c.Value.(*common.StringsFlag)
	if list == nil {
		return nil
	}
	names := slices.Clone(list.List())
	for i, name := range names {
		if !filepath.IsAbs(name) {
			names[i] = filepath.Join(cfgfile.GetPathConfig(), name)
		}
	}
	return names
}

// CheckFiles refuses configuration files that libbeat would read in part only, and not say so. What else is wrong with
// them libbeat says.
func CheckFiles() error {
	for _, name := range configFiles() {
		text, err := readBounded(name, maxFile)
		if err != nil {
			continue
		}
		if err := oneDocument(text); err != nil {
			return fmt.Errorf("cannot use %s: %w", name, err)
		}
	}
	return nil
}

// oneDocument refuses YAML with anything after its first document, which alone is read, or with a key that is no text.
func oneDocument(text []byte) error {
	docs := yaml.NewDecoder(bytes.NewReader(text))
	var first any
	if docs.Decode(&first) != nil {
		return nil // who reads it says so
	}
	if err := textKeys("", first); err != nil {
		return err
	}
	for {
		var more any
		switch err := docs.Decode(&more); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("it goes on after its end, and what follows would not be read: is a line indented otherwise than its neighbours? %w", err)
		case more != nil:
			return errors.New("it has more than one document, and only the first would be read: take out the lines `---` between them, or make it files of their own")
		}
	}
}

// textKeys refuses keys that YAML takes for something else than a text. ucfg says of them where in its code it has stumbled
// over them, in other words each time.
func textKeys(at string, v any) error {
	switch v := v.(type) {
	case []any:
		for i, v := range v {
			if err := textKeys(fmt.Sprintf("%s%d.", at, i), v); err != nil {
				return err
			}
		}
	case map[any]any:
		texts := map[string]any{}
		var others []string
		for key, v := range v {
			if text, ok := key.(string); ok {
				texts[text] = v
			} else {
				others = append(others, fmt.Sprint(at, key))
			}
		}
		if len(others) > 0 {
			return fmt.Errorf("the key %s is no text: put it into quotes, as numbers, y, n, yes, no, on and off have to be, which YAML takes for true and false", slices.Min(others))
		}
		for _, key := range sortedKeys(texts) {
			if err := textKeys(at+key+".", texts[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

// An inputFile is what is known of one file with inputs.
type inputFile struct {
	sum     sum
	good    []*common.Config // its newest inputs that were all right
	refused string           // why its newest content is refused, "" if it is not
	at      time.Time        // since when it is
}

// scan returns what is known of the input files after a look at them. A file with anything wrong in it keeps the inputs
// it had before. others are the inputs of the configuration itself, which they may not clash with.
func (r *Reloader) scan(c *content, known map[string]*inputFile, others []*common.Config) map[string]*inputFile {
	next := map[string]*inputFile{}
	var fresh []string // of which next has the new content, while known has the old
	for _, name := range sortedKeys(c.inputs) {
		before, now := known[name], &inputFile{sum: sha256.Sum256(c.inputs[name])}
		next[name] = now
		if before != nil && before.sum == now.sum && before.refused == "" {
			next[name] = before
		} else if list, err := r.parse(name, c.inputs[name]); err != nil {
			now.keep(before, err)
		} else {
			now.good = list
			fresh = append(fresh, name)
		}
	}
	for name, err := range c.wrong {
		next[name] = &inputFile{}
		next[name].keep(known[name], err)
	}
	r.settle(next, known, fresh, others)
	return next
}

// keep has a refused file go on with what it held before.
func (f *inputFile) keep(before *inputFile, err error) {
	f.good, f.refused, f.at = nil, err.Error(), time.Now()
	if before != nil {
		f.good = before.good
		if before.refused == f.refused && before.sum == f.sum {
			f.at = before.at
		}
	}
}

// settle refuses those of the fresh files whose inputs cannot run beside all others. Files that change together may
// take inputs from each other.
func (r *Reloader) settle(next, known map[string]*inputFile, fresh []string, others []*common.Config) {
	check := func() error {
		return r.parts.CheckInputs(append(inputsOf(next), others...))
	}
	if len(fresh) == 0 || check() == nil {
		return
	}
	given := map[string]*inputFile{} // one by one, then
	for _, name := range fresh {
		given[name] = next[name]
		next[name] = &inputFile{}
		if before := known[name]; before != nil {
			next[name].good = before.good
		}
	}
	for _, name := range fresh {
		next[name] = given[name]
		if err := check(); err != nil {
			next[name].keep(known[name], err)
		}
	}
}

// tell logs what has become of the input files, counts what is newly refused, and says whether other inputs are to run.
func (r *Reloader) tell(before, now map[string]*inputFile) (changed bool) {
	for _, name := range sortedKeys(before) {
		if now[name] == nil {
			r.log.Infof("Input file %s is gone: its inputs are stopped.", name)
			changed = true
		}
	}
	for _, name := range sortedKeys(now) {
		was, is := before[name], now[name]
		switch {
		case was == is || was != nil && was.sum == is.sum && was.refused == is.refused:
		case is.refused != "":
			refused.Inc()
			r.log.Errorf("Input file %s is refused, the %d inputs it held before go on: %s", name, len(is.good), r.parts.Secrets.hide(is.refused))
		default:
			r.log.Infof("Input file %s has %d inputs.", name, len(is.good))
			changed = true
		}
	}
	return changed
}

// parse reads the inputs of one file.
func (r *Reloader) parse(name string, text []byte) ([]*common.Config, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if err := ownersOnly(name, info); err != nil {
		return nil, err
	}
	if err := oneDocument(text); err != nil {
		return nil, err
	}
	cfg, err := common.NewConfigWithYAML(text, name)
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
	return list, r.parts.CheckInputs(list)
}

func inputsOf(files map[string]*inputFile) (list []*common.Config) {
	for _, name := range sortedKeys(files) {
		list = append(list, files[name].good...)
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
