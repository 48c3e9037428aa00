package reload

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/reload"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/paths"
	_ "github.com/elastic/beats/v7/libbeat/publisher/queue/memqueue"

	"github.com/podbeat/podbeat/beat/processing"
)

// A beat is what a Reloader works on, and notes what it does.
type fakeBeat struct {
	t   *testing.T
	dir string
	*Reloader
	hangup chan os.Signal

	mu     sync.Mutex
	said   []string // what has been done, in order
	breaks string   // of what is done fails

	libbeat func(*reload.ConfigWithMeta) error // switches the output; nil: none does
}

var output struct {
	sync.Mutex
	of *fakeBeat
}

func init() {
	reload.Register.MustRegister("output", reload.ReloadableFunc(func(c *reload.ConfigWithMeta) error {
		output.Lock()
		defer output.Unlock()
		path, _ := c.Config.String("file.path", -1)
		if output.of.libbeat != nil {
			return output.of.libbeat(c)
		}
		return output.of.do("output " + filepath.Base(path))
	}))
}

func (b *fakeBeat) do(what string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = append(b.said, what)
	if b.breaks != "" && strings.HasPrefix(what, b.breaks) {
		b.breaks = ""
		if what == "panic" {
			panic("at the disco")
		}
		return errors.New("it has broken")
	}
	return nil
}

// took returns what has been done since the last call.
func (b *fakeBeat) took() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := strings.Join(b.said, ", ")
	b.said = nil
	return s
}

func (b *fakeBeat) configure(stage, out string, inputs ...string) string {
	list := ""
	for _, in := range inputs {
		list += "\n  - {type: t, id: " + in + "}"
	}
	return fmt.Sprintf("podbeat:\n  reload: {period: 1h}\n  inputs:%s\nprocessors: [{add_fields: {target: '', fields: {stage: %s}}}]\noutput.file: {path: %q}\n",
		list, stage, filepath.Join(b.dir, out))
}

func (b *fakeBeat) write(text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, "podbeat.yml"), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// begin makes a beat with a configuration, as libbeat sets one up.
func begin(t *testing.T) (*fakeBeat, *processing.Processing) {
	b := &fakeBeat{t: t, dir: t.TempDir(), hangup: make(chan os.Signal, 1)}
	output.Lock()
	output.of = b
	output.Unlock()
	if err := flag.Set("c", filepath.Join(b.dir, "podbeat.yml")); err != nil {
		t.Fatal(err)
	}
	flag.Lookup("c").Value.(*common.StringsFlag).SetDefault(filepath.Join(b.dir, "podbeat.yml")) // else Set adds to the list
	paths.Paths.Config = b.dir
	b.write(b.configure("one", "first", "a", "b"))
	secrets := NewSecrets("podbeat")
	overrides := []cfgfile.ConditionalOverride{secrets.Override()}
	root, err := cfgfile.Load("", overrides)
	if err != nil {
		t.Fatal(err)
	}
	p := processing.New()
	if _, err := p.Factory()(beat.Info{Beat: "podbeat"}, logp.NewLogger("test"), root); err != nil {
		t.Fatal(err)
	}
	check := func(list []*common.Config) error {
		for _, c := range list {
			if id, _ := c.String("id", -1); id == "bad" {
				return errors.New("input bad is bad")
			}
		}
		return nil
	}
	b.Reloader, err = New(Options{Period: time.Hour, Timeout: time.Second}, Parts{
		Secrets: secrets, Processing: p, Overrides: overrides, Hangup: b.hangup,
		Section: func(c *common.Config) ([]*common.Config, Options, error) {
			var of struct {
				Inputs []*common.Config `config:"inputs"`
			}
			if err := c.Unpack(&of); err != nil {
				return nil, Options{}, err
			}
			return of.Inputs, Options{Period: time.Hour, Timeout: time.Second}, check(of.Inputs)
		},
		CheckInputs: check,
		Inputs: func(list []*common.Config) error {
			var ids []string
			for _, c := range list {
				id, _ := c.String("id", -1)
				ids = append(ids, id)
			}
			return b.do("inputs " + strings.Join(ids, " "))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, p
}

// stageOf is what the processors write for a client that is there all the time.
func stageOf(t *testing.T, p *processing.Processing) string {
	t.Helper()
	v, err := p.Root().String("processors.0.add_fields.fields.stage", -1)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestReload(t *testing.T) {
	b, p := begin(t)
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	first := b.Status()
	step := func(what, text, breaks string, wantDone, wantStage, wantChanged, wantRefused string) {
		t.Helper()
		b.took()
		b.write(text)
		b.breaks = breaks
		b.look(nil, true)
		s := b.Status()
		why := ""
		if s.Refused != nil {
			why = s.Refused.Reason
		}
		if got := b.took(); got != wantDone {
			t.Errorf("%s: did %q, want %q", what, got, wantDone)
		}
		if got := stageOf(t, p); got != wantStage {
			t.Errorf("%s: stage %s, want %s", what, got, wantStage)
		}
		if s.Changed != wantChanged || why != wantRefused {
			t.Errorf("%s: changed %q, refused %q; want %q, %q", what, s.Changed, why, wantChanged, wantRefused)
		}
	}
	c := b.configure
	step("the same", c("one", "first", "a", "b"), "", "", "one", "", "")
	step("a comment", c("one", "first", "a", "b")+"# a comment\n", "", "inputs a b", "one", "nothing that runs", "")
	step("processors", c("two", "first", "a", "b"), "", "inputs a b", "two", "processors", "")
	step("inputs", c("two", "first", "a", "c"), "", "inputs a c", "two", "inputs +1 -1 ~0", "")
	step("an input changes", strings.Replace(c("two", "first", "a", "c"), "id: c", "id: c, tags: [x]", 1), "", "inputs a c", "two", "inputs +0 -0 ~1", "")
	step("everything", c("three", "second", "a"), "", "output second, inputs a", "three", "inputs +0 -1 ~0, processors, output file", "")
	was := "inputs +0 -1 ~0, processors, output file"
	step("a bad input", c("four", "third", "bad"), "", "", "three", was, "input bad is bad")
	step("the old again", c("three", "second", "a"), "", "", "three", was, "")
	step("a second document", c("three", "second", "a")+"---\ntags: [x]\n", "", "", "three", was,
		"cannot use "+filepath.Join(b.dir, "podbeat.yml")+": it has more than one document, and only the first would be read: take out the lines `---` between them, or make it files of their own")
	step("the output breaks", c("four", "third", "b"), "output third", "output third", "three", was, "output.file: it has broken")
	step("the inputs break", c("four", "third", "b"), "inputs b", "output third, inputs b, inputs a, output second", "three", was, "it has broken")
	step("without the output", c("four", "second", "b"), "inputs b", "inputs b, inputs a", "three", was, "it has broken")
	step("then not", c("four", "third", "b"), "", "output third, inputs b", "four", "inputs +1 -1 ~0, processors, output file", "")
	if s := b.Status(); s.Hash == first.Hash || s.Applied.Before(first.Applied) {
		t.Errorf("%+v, was %+v", s, first)
	}
	step("a restart is needed", c("four", "third", "b")+"queue.mem.events: 9\nname: x\n", "", "inputs b", "four", "nothing that runs", "")
	if got, want := b.Status().NeedsRestart, []string{"name", "queue.mem.events"}; !reflect.DeepEqual(got, want) {
		t.Errorf("needs a restart: %q, want %q", got, want)
	}
	step("no more", c("four", "third", "b"), "", "inputs b", "four", "nothing that runs", "")
	if got := b.Status().NeedsRestart; len(got) > 0 {
		t.Errorf("needs a restart: %q", got)
	}
}

// The reason of a refusal names the secret that is missing, and what is wrong with its file.
func TestMissingSecret(t *testing.T) {
	secrets := t.TempDir()
	t.Setenv("PODBEAT_SECRETS", secrets)
	file := filepath.Join(secrets, "OUT")
	b, _ := begin(t)
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
	}
	f := func(what string, want ...string) {
		t.Helper()
		b.look(nil, true)
		reason := ""
		if r := b.Status().Refused; r != nil {
			reason = r.Reason
		}
		if (reason == "") != (len(want) == 0) {
			t.Errorf("%s: refused %q", what, reason)
		}
		for _, part := range want {
			if !strings.Contains(reason, part) {
				t.Errorf("%s: %q is not in %q", what, part, reason)
			}
		}
	}
	b.write(strings.Replace(b.configure("one", "first", "a"), strconv.Quote(filepath.Join(b.dir, "first")), `"${OUT}"`, 1))
	f("no file", "output.file.path", "${OUT}", file)
	write(filepath.Join(b.dir, "first"), 0o600)
	f("there it is")
	write(filepath.Join(b.dir, "second"), 0o660)
	f("group may write", "${OUT}", "chmod go-w "+file)
	write("\n", 0o600)
	f("empty", "${OUT}", file)
	write(filepath.Join(b.dir, "second"), 0o600)
	f("mended")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f("gone", "${OUT}", file)
}

// What libbeat means by ${path.home} and the like is no secret of anybody's that may be missing.
func TestPathsAreNoSecrets(t *testing.T) {
	b, _ := begin(t)
	f := func(name string, wantTold bool) {
		t.Helper()
		err := common.MustNewConfigFrom(map[string]any{"a": "${" + name + "}"}).Unpack(&struct{ A string }{})
		if err == nil {
			t.Fatalf("%s has a value", name)
		}
		if told := strings.Contains(b.parts.Secrets.explain(err).Error(), "no value for ${"+name+"}"); told != wantTold {
			t.Errorf("%s: told %v, want %v", name, told, wantTold)
		}
	}
	f("NOBODY", true)
	f("path.home", false)
}

// A configuration that is refused again and again is so since the first time.
func TestRefusedSince(t *testing.T) {
	b, _ := begin(t)
	f := func(id string) time.Time {
		t.Helper()
		b.write(b.configure(id, "first", "bad"))
		b.look(nil, true)
		s := b.Status()
		if s.Refused == nil {
			t.Fatal("it is not refused")
		}
		return s.Refused.At
	}
	first, again, another := f("one"), f("one"), f("two")
	if !again.Equal(first) || !another.After(first) {
		t.Errorf("refused at %v, again at %v, another one at %v", first, again, another)
	}
}

// An output that hangs up is one and the same reason, whatever port podbeat had each time.
func TestRefusedByPort(t *testing.T) {
	b, _ := begin(t)
	port := 50000
	outputs.RegisterType("hangsup", func(outputs.IndexManager, beat.Info, outputs.Observer, *common.Config) (outputs.Group, error) {
		port++
		return outputs.Success(0, 0, hangsUp{port: port})
	})
	defer delete(outputReg, "hangsup")
	f := func() *Refusal {
		t.Helper()
		b.write("podbeat.inputs: [{type: t, id: a}]\noutput.hangsup: {x: 1}\n")
		b.look(nil, true)
		s := b.Status()
		if s.Refused == nil {
			t.Fatal("it is not refused")
		}
		return s.Refused
	}
	before := refused.Get()
	first, again := f(), f()
	if !again.At.Equal(first.At) || again.Reason != first.Reason || !strings.Contains(again.Reason, "read tcp 10.0.0.2:9092: ") {
		t.Errorf("refused %+v, again %+v", first, again)
	}
	if n := refused.Get() - before; n != 1 {
		t.Errorf("counted %d times", n)
	}
}

// A hangsUp is an output whose server ends each connection.
type hangsUp struct {
	outputs.NetworkClient
	port int
}

func (h hangsUp) Connect() error {
	from := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: h.port}
	return &net.OpError{Op: "read", Net: "tcp", Source: from, Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 9092}, Err: syscall.ECONNRESET}
}

func (hangsUp) Close() error { return nil }

// Where chmod is all that is needed, nothing else is.
func TestRights(t *testing.T) {
	b, _ := begin(t)
	f := func(mode os.FileMode, wantRefused bool) {
		t.Helper()
		if err := os.Chmod(filepath.Join(b.dir, "podbeat.yml"), mode); err != nil {
			t.Fatal(err)
		}
		b.now.opts.Enabled = true
		b.look(nil, false)
		if r := b.Status().Refused; (r != nil) != wantRefused {
			t.Errorf("%o: refused %+v", mode, r)
		}
	}
	b.write(b.configure("two", "first", "a", "b"))
	f(0o666, true)
	f(0o622, true)
	f(0o600, false)
	f(0o644, false)
	f(0o660, true)
	f(0o600, false)
}

// A pipe in the place of a file is refused, and nobody waits for what may come through it.
func TestPipe(t *testing.T) {
	b, _ := begin(t)
	b.parts.Files = Files{Path: filepath.Join(b.dir, "inputs.d", "*.yml")}
	path, input := filepath.Join(b.dir, "podbeat.yml"), filepath.Join(b.dir, "inputs.d", "pipe.yml")
	if err := errors.Join(os.Mkdir(filepath.Dir(input), 0o700), syscall.Mkfifo(input, 0o600), os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		b.look(nil, true)
	}()
	select {
	case <-looked:
	case <-time.After(20 * time.Second):
		t.Error("it is waited for")
		for _, path := range []string{input, path} { // so that it ends
			if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
				defer f.Close()
			}
		}
		return
	}
	s := b.Status()
	if s.Refused == nil || !strings.Contains(s.Refused.Reason, "it is a pipe") {
		t.Errorf("refused %+v", s.Refused)
	}
	if len(s.Files) != 1 || !strings.Contains(s.Files[0].Reason, "it is a pipe") {
		t.Errorf("refused files %+v", s.Files)
	}
}

func TestOneDocument(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if err := oneDocument([]byte(text)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	f("", "")
	f("# nothing\n", "")
	f("a: 1\nb: [2]\n", "")
	f("---\na: 1\n...\n", "")
	f("a: 1\n---\n# nothing\n", "")
	f("a: [", "") // its reader says so
	f("a: 1\n---\nb: 2\n", "more than one document")
	f("---\n---\nb: 2\n", "more than one document")
	f("a: [{b: {'n': 1, c: {}}}, 2, [~]]\n", "")
	f("b: {4: 1}\na: [1, {y: 1, n: 2, o: 3}]\n", "the key a.1.false is no text: put it into quotes")
	f("- type: x\n  fields: {7: 1, 3: 1}\n", "the key 0.fields.3 is no text")
	f("{~: 1}", "is no text")
	f("  a: 1\n  b: 2\nprocessors:\n  - x\n", "it goes on after its end")
}

// SIGHUPs and pokes that come at once, in any number, end with what the files say.
func TestStorm(t *testing.T) {
	b, p := begin(t)
	done := make(chan struct{})
	var run sync.WaitGroup
	run.Go(func() { b.Run(done) })
	defer run.Wait()
	defer close(done)
	deadline := time.After(3 * time.Minute)
	before := applied.Get()
	for i := 0; ; i++ {
		b.write(b.configure(fmt.Sprintf("s%d", min(i, 50)), "first", "a"))
		b.Poke()
		select {
		case b.hangup <- syscall.SIGHUP:
		default:
		}
		if i >= 50 && stageOf(t, p) == "s50" {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("stage %s", stageOf(t, p))
		case <-time.After(5 * time.Millisecond):
		}
	}
	if n := applied.Get() - before; n > 10 {
		t.Errorf("%d reloads of 50 changes within a quarter of a second, want few", n)
	}
}

// What is changed between libbeat's reading of the files and ours is not taken for what is in effect.
func TestChangedAtStart(t *testing.T) {
	b, p := begin(t)
	b.write(b.configure("two", "first", "a", "b"))
	again, err := New(Options{Period: time.Hour, Timeout: time.Second}, b.parts)
	if err != nil {
		t.Fatal(err)
	}
	again.look(nil, true)
	if got := stageOf(t, p); got != "two" {
		t.Errorf("stage %s, want two", got)
	}
}

func TestNeedRestart(t *testing.T) {
	f := func(before, now string, want ...string) {
		t.Helper()
		parse := func(text string) map[string]any {
			c, err := common.NewConfigFrom(text)
			if err != nil {
				t.Fatal(err)
			}
			return settings(c)
		}
		if got := needRestart(parse(before), parse(now)); !slices.Equal(got, want) {
			t.Errorf("from %s to %s: %q, want %q", before, now, got, want)
		}
	}
	f("a: 1", "a: 1")
	f("{a: 1, b: {c: 2, d: 3}}", "{a: 1, b: {c: 4, d: 3}, e: [1]}", "b.c", "e")
	f("{queue.mem.events: 1}", "{queue.disk.max_size: 1}", "queue.disk.max_size", "queue.mem.events")
	f("{output.file.path: x, processors: [], podbeat: {inputs: [1]}, tags: [a]}", "{output.console: {x: 1}, podbeat: {inputs: [2], reload.enabled: true}}")
	f("{podbeat: {shutdown_timeout: 1s}}", "{podbeat: {shutdown_timeout: 2s}}", "podbeat.shutdown_timeout")
	f("{output.elasticsearch.hosts: [x], setup.template.name: a}", "{output.elasticsearch.hosts: [x], setup.template.name: b}", "setup.template.name")
	f("{output.elasticsearch.hosts: [x], setup.template.name: a}", "{output.kafka.hosts: [x]}")
}

func TestOptions(t *testing.T) {
	f := func(o Options, ok bool) {
		t.Helper()
		if err := o.Validate(); (err == nil) != ok {
			t.Errorf("%+v: %v", o, err)
		}
	}
	f(Options{Period: 1, Timeout: 1}, true)
	f(Options{Period: 0, Timeout: 1}, false)
	f(Options{Period: 1, Timeout: -1}, false)
}
