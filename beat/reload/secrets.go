package reload

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/cmd/instance"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/keystore"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/go-ucfg"
	"github.com/elastic/go-ucfg/parse"
)

// Bounds of a folder of secrets: Kubernetes' are 1 MiB for all the files of a Secret.
const (
	maxSecret  = 1 << 20
	maxSecrets = 1000
)

// secretName is what a file of secrets may be called: Kubernetes' keys of a Secret. Its own files begin with `..`.
var secretName = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)

// Secrets has `${NAME}` in the configuration looked for in files, too: first in the environment, then in the keystore,
// then in the file NAME of the folder `secrets` below path.config or beside the configuration, or of the one that the
// environment variable PODBEAT_SECRETS names. White space around it is not part of a secret. Files that others than
// their owner may write are refused, unless libbeat is told not to mind (--strict.perms=false).
//
// The files are read as a whole, when a name is first asked for and with each reload, so that all of the configuration sees the same.
type Secrets struct {
	beat string

	mu     sync.Mutex
	config *common.Config    // what libbeat has loaded last: it says where the keystore is
	store  keystore.Keystore // nil before it is needed, and if there is none
	opened bool              // store has been looked for
	files  *secretFiles      // nil before they are needed
	asked  map[string]bool   // names that the configuration has

	missing  map[string]bool // those of them that have no value, although they need one
	followed bool            // a Reloader tells of them
}

// secretFiles are the files of a folder at one moment.
type secretFiles struct {
	folder  string
	values  map[string]string
	refused map[string]error // "" for the folder
}

// NewSecrets has libbeat look for secrets in files from now on. It must be called before libbeat's commands are made.
func NewSecrets(beat string) *Secrets {
	s := &Secrets{beat: beat, asked: map[string]bool{}, missing: map[string]bool{}}
	// libbeat makes its list of resolvers anew for each command, out of its keystore and this one.
	ucfg.ResolveEnv = ucfg.Resolve(s.resolve)
	common.OverwriteConfigOpts([]ucfg.Option{ucfg.PathSep("."), ucfg.ResolveEnv, ucfg.VarExp})
	return s
}

// Override must be among the instance's ConfigOverrides. It overrides nothing, but sees where the keystore is.
func (s *Secrets) Override() cfgfile.ConditionalOverride {
	see := func(c *common.Config) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.config = c
		return false
	}
	return cfgfile.ConditionalOverride{Check: see, Config: common.NewConfig()}
}

// resolve answers for the environment and for the files; libbeat asks the keystore if it has no answer.
func (s *Secrets) resolve(name string) (string, parse.Config, error) {
	use := usage()
	if v := os.Getenv(name); v != "" {
		if use.whole && v != "null" && !isSwitch(v) && becomesAnother(v) {
			return quoted(v), parse.DefaultConfig, nil
		}
		return v, parse.EnvConfig, nil
	}
	if !s.ready() || !isSecretName(name) || strings.HasPrefix(name, "path.") { // ${path.home} and the like are libbeat's
		return "", parse.DefaultConfig, ucfg.ErrMissing
	}
	if v, ok := s.inKeystore(name); ok {
		if use.whole && becomesAnother(v) {
			return quoted(v), parse.DefaultConfig, nil
		}
		return "", parse.DefaultConfig, ucfg.ErrMissing
	}
	v, err := s.lookUp(name, use.needed)
	if err == nil && use.whole && !isPlainNumber(v) {
		return quoted(v), parse.DefaultConfig, nil
	}
	return v, parse.NoopConfig, err
}

// ready says whether libbeat has come so far that files can be looked for.
func (s *Secrets) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config != nil && paths.Paths.Config != ""
}

// lookUp answers for the files.
func (s *Secrets) lookUp(name string, needed bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		s.files = readSecrets()
	}
	s.asked[name] = true
	if v := s.files.values[name]; v != "" {
		return v, nil
	}
	if !needed && s.files.refused[name] == nil {
		return "", ucfg.ErrMissing
	}
	if first := !s.missing[name]; first && !s.followed {
		// libbeat will only say that something is missing, and may not log yet.
		fmt.Fprintln(os.Stderr, "Configuration:", s.files.why(name))
	}
	s.missing[name] = true
	return "", ucfg.ErrMissing
}

// why says why there is nothing under a name.
func (f *secretFiles) why(name string) error {
	if err := cmp.Or(f.refused[name], f.refused[""]); err != nil {
		return fmt.Errorf("no secret for ${%s}: %w", name, err)
	}
	return fmt.Errorf("no value for ${%s}: it is neither in the environment nor in the keystore, and there is no file %s with anything in it", name, filepath.Join(f.folder, name))
}

// inKeystore looks into the keystore.
func (s *Secrets) inKeystore(name string) (value string, ok bool) {
	s.mu.Lock()
	config, opened := s.config, s.opened
	s.opened = true
	s.mu.Unlock()
	if !opened { // not with mu held: where the keystore is may be such a name, too
		if store, err := instance.LoadKeystore(config, s.beat); err == nil { // else libbeat says so
			s.mu.Lock()
			s.store = store
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil {
		return "", false
	}
	secret, err := s.store.Retrieve(name)
	if err != nil {
		return "", false
	}
	text, err := secret.Get()
	return string(text), err == nil
}

// use has files answer from now on, and returns those that did before.
func (s *Secrets) use(files *secretFiles) (before *secretFiles) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, s.files = s.files, files
	s.missing, s.followed = map[string]bool{}, true
	return before
}

// explain adds to an error which of the names that the configuration asks for have no value, and why.
func (s *Secrets) explain(err error) error {
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := []error{err}
	for _, name := range sortedKeys(s.missing) {
		if s.files != nil && (strings.Contains(err.Error(), ucfg.ErrMissing.Error()) || s.files.refused[name] != nil) {
			errs = append(errs, s.files.why(name))
		}
	}
	return errors.Join(errs...)
}

// hide takes the secrets out of a text that is to be logged.
func (s *Secrets) hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		return text
	}
	var values []string
	for name := range s.asked {
		if v := s.files.values[name]; len(v) >= 4 {
			values = append(values, v)
		}
	}
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	for _, v := range values {
		text = strings.ReplaceAll(text, v, "xxxxx")
	}
	return text
}

func isSecretName(name string) bool {
	return secretName.MatchString(name) && !strings.HasPrefix(name, "..") && name != "."
}

// readSecrets reads the folder of secrets.
func readSecrets() *secretFiles {
	dir := secretsFolder()
	files := &secretFiles{folder: dir, values: map[string]string{}, refused: map[string]error{}}
	list, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return files
	case err == nil && len(list) > maxSecrets:
		err = fmt.Errorf("it has %d entries, more than %d: is that a folder of secrets?", len(list), maxSecrets)
	}
	if err != nil {
		files.refused[""] = fmt.Errorf("cannot read the folder of secrets %s: %w", dir, err)
		return files
	}
	for _, entry := range list {
		if name := entry.Name(); isSecretName(name) {
			v, err := readSecret(filepath.Join(dir, name))
			if err != nil {
				files.refused[name] = err
			} else if v != "" {
				files.values[name] = v
			}
		}
	}
	return files
}

// secretsFolder is where secrets are: without a `secrets` below path.config, beside the file of -c. So commands that are
// given no --path.config find them.
func secretsFolder() string {
	if dir := os.Getenv("PODBEAT_SECRETS"); dir != "" {
		return paths.Resolve(paths.Config, dir)
	}
	dir := paths.Resolve(paths.Config, "secrets")
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		for _, file := range configFiles() {
			beside := filepath.Join(filepath.Dir(file), "secrets")
			if info, err := os.Stat(beside); err == nil && info.IsDir() {
				return beside
			}
		}
	}
	return dir
}

// readSecret reads a file; a folder has nothing in it.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("secret %s is refused: it is not a file", path)
	}
	if err := ownersOnly(path, info); err != nil {
		return "", fmt.Errorf("secret %s is refused: %w", path, err)
	}
	text, err := readBounded(path, maxSecret)
	if err != nil {
		return "", err
	}
	return string(bytes.TrimSpace(text)), nil
}

// ownersOnly refuses files that others than their owner may write, unless libbeat is told not to mind.
func ownersOnly(path string, info os.FileInfo) error {
	if info.Mode().Perm()&0o022 != 0 && common.IsStrictPerms() && runtime.GOOS != "windows" {
		return fmt.Errorf("others than its owner may write it: chmod go-w %s", path)
	}
	return nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	if err := noPipe(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("cannot read %s: it is longer than %d bytes", path, limit)
	}
	return text, err
}

// noPipe refuses a named pipe: whoever opens it waits until somebody writes to it, and reads something else each time.
func noPipe(path string) error {
	if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		return fmt.Errorf("cannot read %s: it is a pipe", path)
	}
	return nil
}

// sum is of all that the files say.
func (f *secretFiles) sum() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, name := range sortedKeys(f.values) {
		fmt.Fprintf(h, "%s %d %s\n", name, len(f.values[name]), f.values[name])
	}
	for _, name := range sortedKeys(f.refused) {
		fmt.Fprintf(h, "%s %v\n", name, f.refused[name])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
