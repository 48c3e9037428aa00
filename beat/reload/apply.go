package reload

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/cloudid"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/processing"
)

// A change is a configuration that has been tested and may be applied.
type change struct {
	*state
	processors *processing.Next        // nil if they are as before
	output     *common.ConfigNamespace // nil if it is as before
	what       []string                // in words
}

func (c *change) discard() {
	if c.processors != nil {
		c.processors.Discard()
	}
}

// follow has what the files say take effect, and says whether anything has.
func (r *Reloader) follow(done <-chan struct{}, c *content, asked bool) bool {
	sum := c.sum()
	if sum == r.now.content.sum() {
		r.forgive()
		return false
	}
	if sum == r.failed && !r.again && !asked {
		return false
	}
	began := time.Now()
	r.parts.Secrets.use(c.secrets)
	next, err := r.build(done, c)
	if err == nil && r.read().sum() != sum { // loaded was something else than has been looked at
		next.discard()
		r.parts.Secrets.use(r.now.content.secrets)
		r.again = true
		return false
	}
	err = r.parts.Secrets.explain(err)
	if err == nil {
		select {
		case <-done:
			next.discard()
			err = errors.New("podbeat stops")
		default:
			err = r.apply(next)
		}
	}
	if err != nil {
		r.parts.Secrets.use(r.now.content.secrets)
		select {
		case <-done: // which may be why
		default:
			r.refuse(c, err)
		}
		return false
	}
	r.succeed(next, time.Since(began))
	return true
}

// build loads the configuration anew and tests all of it that differs from what runs.
func (r *Reloader) build(done <-chan struct{}, c *content) (next *change, err error) {
	defer recovered(&err)
	root, err := r.load()
	if err != nil {
		return nil, err
	}
	if r.parts.CheckRoot != nil {
		if err := r.parts.CheckRoot(root); err != nil {
			return nil, err
		}
	}
	section, err := root.Child("podbeat", -1)
	if err != nil {
		return nil, fmt.Errorf("podbeat: %w", err)
	}
	next = &change{state: &state{root: root, settings: settings(root)}}
	made := *c
	made.certs = certificates(next.settings) // it may have others
	next.content = &made
	if next.inputs, next.opts, err = r.parts.Section(section); err != nil {
		return nil, err
	}
	next.files = r.scan(c, r.now.files, next.inputs)
	if err := r.parts.CheckInputs(append(slices.Clone(next.inputs), inputsOf(next.files)...)); err != nil {
		return nil, err
	}
	out, err := outputOf(root)
	if err != nil {
		return nil, err
	}
	next.hashes = hashed(next.enabled())
	if d := differences(r.now.hashes, next.hashes); d != "" {
		next.what = append(next.what, d)
	}
	if !same(only(next.settings, global), only(r.now.settings, global)) {
		next.what = append(next.what, "processors")
		if next.processors, err = r.parts.Processing.Prepare(root); err != nil {
			return nil, err
		}
	}
	if !same(next.settings["output"], r.now.settings["output"]) || next.content.certs != r.now.content.certs {
		next.what = append(next.what, "output "+out.Name())
		next.output = &out
		if err := r.tryOutput(done, root, out, next.opts.Timeout); err != nil {
			next.discard()
			return nil, err
		}
	}
	return next, nil
}

// load reads the configuration as libbeat does at the start.
func (r *Reloader) load() (*common.Config, error) {
	for _, name := range configFiles() {
		if err := noPipe(name); err != nil { // libbeat would wait for it; at the start it may be one
			return nil, err
		}
	}
	if err := CheckFiles(); err != nil {
		return nil, err
	}
	root, err := cfgfile.Load("", r.parts.Overrides)
	if err != nil {
		return nil, err
	}
	return root, cloudid.OverwriteSettings(root)
}

// apply has a change take effect, or nothing of it.
func (r *Reloader) apply(next *change) (err error) {
	var undo []func() error
	defer func() {
		if err == nil {
			return
		}
		r.parts.Secrets.use(r.now.content.secrets)
		slices.Reverse(undo)
		for _, f := range undo {
			if back := f(); back != nil {
				r.log.Errorf("Cannot go back to the configuration that was in effect: %s", r.parts.Secrets.hide(back.Error()))
			}
		}
	}()
	defer recovered(&err)
	if next.output != nil {
		undo = append(undo, func() error { return r.switchBack() })
		if err := r.switchOutput(next.root, *next.output); err != nil {
			undo = nil // the old one goes on
			next.discard()
			return fmt.Errorf("output.%s: %w", next.output.Name(), err)
		}
	}
	if next.processors != nil {
		undo = append(undo, func() error { return r.parts.Processing.Reload(r.now.root) })
		next.processors.Apply()
	}
	undo = append(undo, func() error {
		r.runInputs()
		return nil
	})
	return r.parts.Inputs(next.enabled())
}

// switchBack has libbeat make the output anew that was in effect.
func (r *Reloader) switchBack() error {
	out, err := outputOf(r.now.root)
	if err != nil {
		return err
	}
	return r.switchOutput(r.now.root, out)
}

// succeed notes and tells that a change is in effect.
func (r *Reloader) succeed(next *change, took time.Duration) {
	before := r.now
	r.now = next.state
	r.again, r.failed = false, sum{}
	r.unstarted = false
	r.tell(before.files, r.now.files)
	restart := needRestart(r.start, r.now.settings)
	what := strings.Join(next.what, ", ")
	r.update(func(s *Status) {
		s.Refused, s.NeedsRestart = nil, restart
		s.Applied, s.Changed, s.Took = time.Now(), cmp.Or(what, "nothing that runs"), took.Seconds()
	})
	switch {
	case what != "":
		applied.Inc()
		r.log.Infof("Configuration reloaded in %v: %s.", took.Round(time.Millisecond), what)
	case len(restart) == 0:
		r.log.Info("The configuration's files have changed, but mean the same: what runs goes on.")
	default:
		r.log.Info("The configuration's files have changed, but in nothing that can take effect now.")
	}
	if len(restart) > 0 {
		r.log.Warnf("These settings have changed and need a restart to take effect: %s.", strings.Join(restart, ", "))
	}
}

// ownPort is podbeat's end of a connection, as in "read tcp 10.0.0.1:49152->10.0.0.2:9092: i/o timeout": another one with each try.
var ownPort = regexp.MustCompile(`\S+:\d+->`)

// refuse notes and tells that content is not in effect.
func (r *Reloader) refuse(c *content, err error) {
	reason := ownPort.ReplaceAllString(r.parts.Secrets.hide(err.Error()), "")
	r.failed, r.again = c.sum(), errors.Is(err, errUnreachable)
	was := r.Status().Refused
	now := &Refusal{At: time.Now(), Hash: sum(sha256.Sum256(c.config)).String(), Reason: reason, Again: r.again}
	known := was != nil && was.Hash == now.Hash && was.Reason == now.Reason // of an earlier try
	if known {
		now.At = was.At
	}
	r.update(func(s *Status) { s.Refused = now })
	if known {
		return
	}
	refused.Inc()
	then := ""
	if r.again {
		then = fmt.Sprintf(" (trying again every %v)", r.now.opts.Period)
	}
	r.log.Errorf("The changed configuration is refused, what was in effect goes on%s: %s", then, reason)
}

// forgive notes that the files say again what is in effect.
func (r *Reloader) forgive() {
	r.again, r.failed = false, sum{}
	if r.Status().Refused == nil {
		return
	}
	r.update(func(s *Status) { s.Refused = nil })
	r.log.Info("The configuration that was refused is gone: the files say what is in effect.")
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("something unexpected: %v", p)
	}
}

// hash is of what the files say that are in effect, without secrets.
func (s *state) hash() string {
	h := sha256.New()
	h.Write(s.content.config)
	for _, name := range sortedKeys(s.files) {
		fmt.Fprintf(h, "%s %x\n", name, s.files[name].sum)
	}
	return sum(h.Sum(nil)).String()
}

// global are the settings that processing.Processing goes by.
var global = []string{"processors", "fields", "fields_under_root", "tags", "timeseries"}

// settings are the values of a configuration, by their top-level names, with all references resolved.
func settings(root *common.Config) map[string]any {
	all := map[string]any{}
	for _, name := range root.GetFields() {
		if sub, err := root.Child(name, -1); err != nil {
			all[name], _ = root.String(name, -1)
		} else if sub.IsArray() {
			all[name] = unpacked(sub, new([]any))
		} else {
			all[name] = unpacked(sub, new(map[string]any))
		}
	}
	return all
}

func unpacked[T any](c *common.Config, into *T) any {
	if err := c.Unpack(into); err != nil {
		return err.Error() // of something that libbeat may never ask for
	}
	return *into
}

func only(settings map[string]any, names []string) map[string]any {
	few := map[string]any{}
	for _, name := range names {
		if v, ok := settings[name]; ok {
			few[name] = v
		}
	}
	return few
}

func same(a, b any) bool { return reflect.DeepEqual(a, b) }

// needRestart lists the settings in which two configurations differ and that take effect at a start only.
func needRestart(before, now map[string]any) (names []string) {
	output, _ := now["output"].(map[string]any)
	_, elasticsearch := output["elasticsearch"] // who alone goes by setup
	a, b := map[string]any{}, map[string]any{}
	flatten("", before, a)
	flatten("", now, b)
	for name := range a {
		if _, ok := b[name]; !ok {
			b[name] = nil
		}
	}
	for _, name := range sortedKeys(b) {
		if !same(a[name], b[name]) && !reloadable(name) && (elasticsearch || !strings.HasPrefix(name, "setup.")) {
			names = append(names, name)
		}
	}
	if len(names) > 20 {
		names = append(names[:20], "…")
	}
	return names
}

func flatten(prefix string, values map[string]any, into map[string]any) {
	for name, v := range values {
		if sub, ok := v.(map[string]any); ok && len(sub) > 0 {
			flatten(prefix+name+".", sub, into)
		} else {
			into[prefix+name] = v
		}
	}
}

func reloadable(name string) bool {
	for _, section := range append([]string{"output", "cloud", "podbeat.inputs", "podbeat.reload"}, global...) {
		if name == section || strings.HasPrefix(name, section+".") {
			return true
		}
	}
	return false
}

// differences says how many inputs come, go, and change under the same type and id; "" if none does.
func differences(was, is map[uint64]string) string {
	names := map[string]int{} // of those that go
	var plus, minus, changed int
	for hash, name := range was {
		if _, ok := is[hash]; !ok {
			names[name]++
			minus++
		}
	}
	for hash, name := range is {
		if _, ok := was[hash]; ok {
			continue
		}
		if names[name] > 0 {
			names[name]--
			minus--
			changed++
		} else {
			plus++
		}
	}
	if plus+minus+changed == 0 {
		return ""
	}
	return fmt.Sprintf("inputs +%d -%d ~%d", plus, minus, changed)
}

// hashed are the names of inputs by the hashes that libbeat tells them apart by.
func hashed(list []*common.Config) map[uint64]string {
	names := map[uint64]string{}
	for _, c := range list {
		if hash, err := cfgfile.HashConfig(c); err == nil {
			typ, _ := c.String("type", -1)
			id, _ := c.String("id", -1)
			names[hash] = typ + " " + id
		}
	}
	return names
}
