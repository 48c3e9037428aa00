// Command demo shows the system at work on this machine alone: logapi keeps the logs in its own store, podbeat reads a journal kept
// here, log files that are rotated meanwhile, what is pushed, and this machine's own journal if that may be read.
//
//	journal, pods, push ──▶ podbeat ──▶ logapi's store ◀── API ◀── demo, with tokens
//
// Everything that was given in is looked for in the store over the API, as any client would. Then the demo stays for who wants to
// look around, or ends where nobody is at a terminal.
//
//	demo build      the folder of the programs; what the demo writes is in build/demo
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo build")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)                                             // a second Ctrl-C ends the demo at once, and the programs with it
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0) // so does the end of mage; best effort
	if err := demonstrate(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// A demo is one run, in a folder of its own.
type demo struct {
	bin      string // folder of the programs
	settings        // what the configurations need
	password string // of the user
	logapi   *program
	podbeat  *program
	api      *api
	sources  []*source
	pods     []*pod
}

// settings are put into the configurations.
type settings struct {
	Dir                                 string // absolute
	Machine                             string // this machine's journal folder, "" when it cannot be read
	API, Store, Monitoring, Push, Stats string // addresses
	StatsHost, StatsPort                string
}

// demonstrate runs the demo. To be interrupted is no error.
func demonstrate(ctx context.Context, bin string) (err error) {
	d := &demo{bin: bin}
	unlock, err := d.prepare()
	if err != nil {
		return err
	}
	defer unlock()
	err = d.run(ctx)
	if ctx.Err() != nil { // whatever failed then, failed for that
		err = nil
		fmt.Println("\nstopping")
	}
	// podbeat first: what it has read goes into the store.
	return errors.Join(err, d.podbeat.stop(), d.logapi.stop())
}

// run is what the demo does, in this order.
func (d *demo) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		d.writeInputs, d.startLogapi, d.startPodbeat, d.writeMore, d.push, d.settle, d.report, d.searches, d.status, d.stay,
	} {
		if err := step(ctx); err != nil {
			return d.cause(ctx, err)
		}
	}
	return nil
}

// cause is err, or that a program has ended by itself: then whoever asks it is told that the connection is refused, or broken off,
// at times before its end is known.
func (d *demo) cause(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return err
	case <-d.logapi.ended():
		return d.logapi.failure()
	case <-d.podbeat.ended():
		return d.podbeat.failure()
	case <-time.After(time.Second):
		return err
	}
}

// prepare empties the folder, which belongs to one demo at a time, and chooses the addresses.
func (d *demo) prepare() (unlock func(), err error) {
	if d.Dir, err = filepath.Abs(filepath.Join(d.bin, "demo")); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(d.Dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot make %s: %w", d.Dir+".lock", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another demo is running in %s: end it with Ctrl-C there", typed(d.Dir))
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	if err := os.RemoveAll(d.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		return nil, err
	}
	d.Machine = machineJournal()
	a, err := freeAddresses(9280, 9200, 9281, 8085, 5066)
	if err != nil {
		return nil, err
	}
	d.API, d.Store, d.Monitoring, d.Push, d.Stats = a[0], a[1], a[2], a[3], a[4]
	d.StatsHost, d.StatsPort, _ = net.SplitHostPort(d.Stats)
	d.api = newAPI("http://" + d.API)
	return func() { lock.Close() }, nil
}

// freeAddresses returns addresses of this machine that nothing listens on: with the wanted ports where these are free, and else with
// one of the next, 9290 or 9300 for 9280.
func freeAddresses(wanted ...int) ([]string, error) {
	var addresses []string
	for _, first := range wanted {
		var l net.Listener
		for port := first; l == nil; port += 10 {
			var err error
			if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err != nil && port > first+1000 {
				return nil, fmt.Errorf("cannot find a free port: %w", err)
			}
		}
		defer l.Close() // not before all are chosen
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

//go:embed logapi.yml.tmpl
var logapiConfig string

//go:embed podbeat.yml.tmpl
var podbeatConfig string

// configure writes a program's configuration and returns its path.
func (d *demo) configure(name, text string) (string, error) {
	var b bytes.Buffer
	if err := template.Must(template.New(name).Parse(text)).Execute(&b, d.settings); err != nil {
		return "", err
	}
	path := filepath.Join(d.Dir, name)
	return path, write(path, b.Bytes())
}

const user = "demo@example.com"

// startLogapi adds a user, as administrators do, and starts logapi.
func (d *demo) startLogapi(ctx context.Context) error {
	config, err := d.configure("logapi.yml", logapiConfig)
	if err != nil {
		return err
	}
	d.password = rand.Text()
	if err := write(filepath.Join(d.Dir, "password"), []byte(d.password+"\n")); err != nil {
		return err
	}
	if _, err := d.command(ctx, d.password, "logapi", "user", "add", user, "--config", config, "--password-stdin",
		"--grant", "GET,POST {mscp_api_url}/default/es/**",
		"--grant", "GET {mscp_api_url}/default/system/log/status",
		"--grant", "POST {mscp_api_url}/apps/{appid:UUID}/log", "--namespace", "shop"); err != nil {
		return err
	}
	if d.logapi, err = start(d.Dir, d.program("logapi"), "--config", config); err != nil {
		return err
	}
	err = d.until(ctx, "logapi is ready", func() bool { return d.api.get(ctx, "http://"+d.Monitoring+"/readyz", nil) == nil })
	if err != nil {
		return err
	}
	fmt.Printf("logapi  answers at http://%s and keeps the logs in %s;\n        its store speaks as Elasticsearch does at http://%s\n", d.API, typed(d.Dir+"/data"), d.Store)
	return d.api.login(ctx, user, d.password)
}

// startPodbeat gives podbeat a token for its reports and starts it.
func (d *demo) startPodbeat(ctx context.Context) error {
	config, err := d.configure("podbeat.yml", podbeatConfig)
	if err != nil {
		return err
	}
	token, err := d.command(ctx, "", "podbeat", "token", "sign", "--keys", d.Dir+"/data/keys.json", "--user", "podbeat", "--for", "24h",
		"--allow", "POST {mscp_api_url}/default/system/log/heartbeat")
	if err != nil {
		return err
	}
	if err := write(filepath.Join(d.Dir, "control.token"), token); err != nil {
		return err
	}
	if d.podbeat, err = start(d.Dir, d.program("podbeat"), "-e", "-c", config); err != nil {
		return err
	}
	fmt.Printf("podbeat reads %s, a journal of a Kubernetes node kept in this repository,\n", typed(d.Dir+"/journal"))
	fmt.Printf("        %s, files that pods write and rotate meanwhile,\n", typed(d.Dir+"/pods"))
	fmt.Printf("        what is pushed to http://%s,\n", d.Push)
	if d.Machine != "" {
		fmt.Printf("        and %s, this machine's own journal, its last hour\n", d.Machine)
	} else {
		fmt.Println("        (and no journal of this machine: there is none that may be read here)")
	}
	return d.until(ctx, "podbeat takes what is pushed", func() bool { return d.api.get(ctx, "http://"+d.Push+"/health", nil) == nil })
}

func (d *demo) program(name string) string { return filepath.Join(d.bin, name) }

// command runs a program to its end and returns what it prints.
func (d *demo) command(ctx context.Context, stdin, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, d.program(name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	var failure bytes.Buffer
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, args[0], err, plain(failure.String(), 500))
	}
	return out, nil
}

// patience is how long anything may take.
const patience = 2 * time.Minute

// until returns when done says true. It fails when a program has ended by itself, or nothing comes of it.
func (d *demo) until(ctx context.Context, what string, done func() bool) error {
	giveUp := time.After(patience)
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.logapi.ended():
			return d.logapi.failure()
		case <-d.podbeat.ended():
			return d.podbeat.failure()
		case <-giveUp:
			return fmt.Errorf("waited in vain %v until %s: see %s and podbeat.log beside it", patience, what, typed(d.logapi.log))
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// stay waits for Ctrl-C where somebody is there to type it.
func (d *demo) stay(ctx context.Context) error {
	fmt.Printf("\nthe configurations, the logs and all data are in %s\n", typed(d.Dir))
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
		return nil
	}
	fmt.Printf(`
All this goes on until Ctrl-C. Read the logs meanwhile, ? lists the keys:

  %[8]s --host http://%[4]s --range all

and try the rest in another terminal:

  ROOT=$(curl -s -u %[1]s:$(cat %[2]s/password) -H 'Accept: text/plain' http://%[3]s/auth/token_root)
  TOKEN=$(curl -s -H "Authorization: Bearer $ROOT" -H 'Accept: text/plain' -d '[{"method": ["GET"], "url": ["{mscp_api_url}/default/es/**"]}]' http://%[3]s/auth)
  curl -H "Authorization: Bearer $TOKEN" 'http://%[3]s/default/es/logstash-*/_search?q=log.level:err&sort=@timestamp:desc&size=2&pretty'
  curl 'http://%[4]s/_cat/indices?v'
  %[5]s --config %[2]s/logapi.yml user list
  %[6]s cli --hosts http://%[4]s show-indices --verbose --header
  curl 'http://%[7]s/stats?pretty'
  %[8]s query --host http://%[4]s --range all --limit 3 log.level:err
`, user, typed(d.Dir), d.API, d.Store, typed(d.program("logapi")), typed(d.program("curator")), d.Stats, typed(d.program("logtui")))
	select {
	case <-ctx.Done():
		return nil
	case <-d.logapi.ended():
		return d.logapi.failure()
	case <-d.podbeat.ended():
		return d.podbeat.failure()
	}
}

// typed is a path as one would type it here.
func typed(path string) string {
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil && !strings.HasPrefix(rel, "..") && filepath.IsAbs(path) {
			return rel
		}
	}
	return path
}

func write(name string, text []byte) error {
	return errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, text, 0o600))
}
