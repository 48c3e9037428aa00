package reload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/reload"
	"github.com/elastic/beats/v7/libbeat/esleg/eslegclient"
	"github.com/elastic/beats/v7/libbeat/idxmgmt"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/outputs"
	libes "github.com/elastic/beats/v7/libbeat/outputs/elasticsearch"
)

// errUnreachable is in the errors of outputs that are made rightly but cannot be connected to: that may pass.
var errUnreachable = errors.New("it cannot be reached")

// outputOf returns the output that a configuration has enabled.
func outputOf(root *common.Config) (common.ConfigNamespace, error) {
	var of struct {
		Output common.ConfigNamespace `config:"output"`
	}
	if err := root.Unpack(&of); err != nil {
		return of.Output, err
	}
	if !of.Output.IsSet() {
		return of.Output, errors.New("no output is enabled: give one below `output`")
	}
	return of.Output, nil
}

// tryOutput makes the output of a configuration beside the one that runs, has it connect if it is of the kind that
// does, and closes it again.
func (r *Reloader) tryOutput(done <-chan struct{}, root *common.Config, out common.ConfigNamespace, timeout time.Duration) error {
	group, err := r.loadOutput(root, out)
	if err != nil {
		return fmt.Errorf("output.%s: %w", out.Name(), err)
	}
	defer func() {
		closed := make(chan struct{})
		go func() { // ends when libbeat gives up connecting, at the latest: its Close waits for that
			defer close(closed)
			closeAll(group)
		}()
		select {
		case <-closed:
		case <-done:
		}
	}()
	if out.Name() == "file" {
		err = tryFolder(out.Config())
	} else {
		err = connect(done, group.Clients, timeout)
	}
	if err != nil {
		return fmt.Errorf("output.%s: %w: %w", out.Name(), errUnreachable, err)
	}
	return nil
}

func (r *Reloader) loadOutput(root *common.Config, out common.ConfigNamespace) (outputs.Group, error) {
	im, err := idxmgmt.MakeDefaultSupport(nil)(nil, r.parts.Info, root)
	if err != nil {
		return outputs.Group{}, err
	}
	defer r.showStdout(out.Name())()
	return outputs.Load(im, r.parts.Info, outputs.NewNilObserver(), out.Name(), out.Config())
}

func closeAll(group outputs.Group) {
	for _, c := range group.Clients {
		_ = c.Close()
	}
}

// showStdout gives output.console the standard output which podbeat keeps from everything else; see beater.Run.
func (r *Reloader) showStdout(output string) (hide func()) {
	if output != "console" || r.parts.Stdout == nil {
		return func() {}
	}
	kept := os.Stdout
	os.Stdout = r.parts.Stdout
	return func() { os.Stdout = kept }
}

// connect returns when the first of several clients is connected, or with what they all say.
func connect(done <-chan struct{}, clients []outputs.Client, timeout time.Duration) error {
	answers := make(chan error, len(clients))
	n := 0
	for _, c := range clients {
		var try func() error
		switch c := c.(type) {
		case outputs.NetworkClient:
			try = c.Connect // ends when it is closed, at the latest
		case interface{ Reach() error }: // of beat/kafka
			try = c.Reach // ends after a minute, at the latest
		default:
			continue
		}
		n++
		go func() { answers <- try() }()
	}
	over := time.NewTimer(timeout)
	defer over.Stop()
	var errs []error
	said := map[string]bool{}
	for range n {
		select {
		case err := <-answers:
			if err == nil {
				return nil
			}
			if text := err.Error(); !said[text] && len(said) < 3 { // of many hosts and workers
				said[text] = true
				errs = append(errs, err)
			}
		case <-over.C:
			return errors.Join(append(errs, fmt.Errorf("no connection within %v", timeout))...)
		case <-done:
			return errors.New("podbeat stops")
		}
	}
	return errors.Join(errs...)
}

// tryFolder says whether output.file can write: libbeat's tries to with the first event, and drops it if not.
func tryFolder(cfg *common.Config) error {
	of := struct {
		Path        string      `config:"path"`
		Permissions os.FileMode `config:"permissions"`
	}{".", 0o600}
	if err := cfg.Unpack(&of); err != nil {
		return err
	}
	// As libbeat makes it: whoever may read the files may enter.
	if err := os.MkdirAll(of.Path, 0o700|of.Permissions&0o044|of.Permissions&0o044>>2); err != nil {
		return err
	}
	probe, err := os.CreateTemp(of.Path, ".podbeat-")
	if err != nil {
		return fmt.Errorf("cannot write into %s: %w", filepath.Clean(of.Path), err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// switchOutput has libbeat put an output in the place of the present one, whose batches on their way end or come back.
func (r *Reloader) switchOutput(root *common.Config, out common.ConfigNamespace) error {
	l := reload.Register.GetReloadable("output")
	if l == nil {
		return errors.New("libbeat has no output to reload")
	}
	if err := r.manageIndices(root, out.Name()); err != nil {
		return err
	}
	section, err := root.Child("output", -1)
	if err != nil {
		return err
	}
	defer r.showStdout(out.Name())()
	putBack := setFiguresAside()
	switched := false
	defer func() {
		if !switched { // also after a panic
			putBack()
		}
	}()
	err = l.Reload(&reload.ConfigWithMeta{Config: section})
	switched = err == nil
	return err
}

// setFiguresAside has libbeat begin the figures of another output beside those of the present one: it empties what it finds
// before it knows whether the other one can be made. putBack has the present one's told again.
func setFiguresAside() (putBack func()) {
	const name = "output"
	libbeat := monitoring.Default.GetRegistry("libbeat")
	if libbeat == nil {
		return func() {}
	}
	figures := libbeat.GetRegistry(name)
	if figures == nil {
		return func() {}
	}
	libbeat.Remove(name)
	return func() {
		libbeat.Remove(name)
		libbeat.Add(name, figures, monitoring.Full)
	}
}

// manageIndices has templates loaded on connections to Elasticsearch, which libbeat only does if it is the output at the start.
func (r *Reloader) manageIndices(root *common.Config, output string) error {
	if output != "elasticsearch" || r.managed {
		return nil
	}
	im, err := idxmgmt.MakeDefaultSupport(nil)(nil, r.parts.Info, root)
	if err != nil {
		return err
	}
	if im.Enabled() {
		_, err = libes.RegisterConnectCallback(func(c *eslegclient.Connection) error {
			m := im.Manager(idxmgmt.NewESClientHandler(c), idxmgmt.BeatsAssets(r.parts.Fields))
			return m.Setup(idxmgmt.LoadModeEnabled, idxmgmt.LoadModeEnabled)
		})
	}
	if r.managed = err == nil; r.managed {
		r.start["setup"] = settings(root)["setup"] // what is in effect from now on
	}
	return err
}
